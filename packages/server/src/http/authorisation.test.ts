/** Who may ask for what: every route, asked for with every kind of key. */
import { basePaths, isSocketRoute, newKey, routes, type KeyScope, type Route, type RouteName } from '@wrenn/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Ask } from '../testing/ask.js'
import { knock, type Asking } from '../testing/knock.js'
import { keyOf, otherKey } from '../testing/other-team.js'
import { serve, type Serving } from '../testing/serve.js'
import { Socket } from '../testing/socket.js'

interface Thing {
  capsule: string
  template: string
  key: string
}

interface Row {
  ask: (thing: Thing) => Asking
  /** What a key of another team gets: as if the thing were not there, or what it has itself. */
  others: 'not found' | 'their own'
}

const onCapsule = (more: Asking = {}): Row => ({
  ask: ({ capsule: id }) => ({ ...more, params: { id, selector: 'some', port: '80' } }),
  others: 'not found',
})
const onTemplate = (more: Asking = {}): Row => ({
  ask: ({ template: name }) => ({ ...more, params: { name, version: '1' } }),
  others: 'not found',
})
const own = (json?: object, query = ''): Row => ({
  ask: () => ({ query, ...(json === undefined ? {} : { json }) }),
  others: 'their own',
})
const onPath = onCapsule({ json: { path: '/note' } })
const onForm = onCapsule({ form: { path: '/x', file: 'x' } })

/** A route that is missing here does not compile, and fails below. */
const matrix: Record<Exclude<RouteName, 'getHealth'>, Row> = {
  createCapsule: { ask: ({ template }) => ({ json: { template } }), others: 'not found' },
  listCapsules: own(),
  getCapsule: onCapsule(),
  deleteCapsule: onCapsule(),
  setNetwork: onCapsule({ json: { internet: false } }),
  pingCapsule: onCapsule(),
  pauseCapsule: onCapsule(),
  resumeCapsule: onCapsule(),
  forkCapsule: onCapsule({ json: {} }),
  exec: onCapsule({ json: { cmd: 'true' } }),
  listProcesses: onCapsule(),
  killProcess: onCapsule(),
  readOutput: onCapsule(),
  writeStdin: onCapsule({ raw: 'x' }),
  endStdin: onCapsule(),
  resizeTerminal: onCapsule({ json: { cols: 80, rows: 24 } }),
  execStream: onCapsule(),
  processStream: onCapsule(),
  terminal: onCapsule(),
  openTunnel: onCapsule(),
  writeFile: onForm,
  readFile: onPath,
  streamWriteFile: onForm,
  streamReadFile: onPath,
  listFiles: onPath,
  makeDir: onPath,
  removeFile: onPath,
  statFile: onPath,
  moveFile: onCapsule({ json: { from: '/note', to: '/other' } }),
  watchFiles: onPath,
  readTar: onPath,
  writeTar: onCapsule({ query: '?path=/x', raw: '' }),
  createSnapshot: { ask: ({ capsule }) => ({ json: { sandbox_id: capsule } }), others: 'not found' },
  listSnapshots: own(),
  getSnapshot: onTemplate(),
  deleteSnapshot: onTemplate(),
  listVersions: onTemplate(),
  deleteVersion: onTemplate(),
  rollbackSnapshot: onTemplate({ json: {} }),
  verifySnapshot: onTemplate({ json: {} }),
  createKey: own({}),
  listKeys: own(),
  revokeKey: { ask: ({ key: id }) => ({ params: { id } }), others: 'not found' },
  streamEvents: own(),
  capsuleStats: own(),
  capsuleUsage: own(),
  capsuleMetrics: onCapsule(),
}

const rows = Object.entries(matrix) as [keyof typeof matrix, Row][]
const cases = rows.flatMap(([name, row]) => basePaths.map((base) => ({ name, base: base || '/', row })))
const lesser: Record<KeyScope, KeyScope[]> = { read: [], run: ['read'], admin: ['read', 'run'] }

let on: Serving
let ask: Ask
let keys: { unknown: string; revoked: string; expired: string; foreign: string } & Record<KeyScope, string>
beforeAll(async () => {
  on = await serve()
  ask = new Ask(on)
  const past = new Date(Date.now() - 1000).toISOString()
  keys = {
    unknown: newKey(),
    revoked: await keyOf(on.store, { revokedAt: past }),
    expired: await keyOf(on.store, { expiresAt: past }),
    foreign: await otherKey(on.store),
    read: await keyOf(on.store, { scope: 'read' }),
    run: await keyOf(on.store, { scope: 'run' }),
    admin: await keyOf(on.store),
  }
})
afterAll(() => on.end())

/** Something of ours of each kind, for one case alone: what is asked for may destroy it. */
async function makeThing(): Promise<Thing> {
  const source = await ask.capsule()
  const { name: template } = (await ask.snapshot({ sandbox_id: source })).body
  const key = (await ask.api.call('createKey', { json: { name: template } })).body.id
  return { capsule: await ask.capsule(), template, key }
}

test('every route is in the matrix, or is one of those without a key', () => {
  const open = (Object.entries(routes) as [RouteName, Route][]).filter(([, { auth }]) => !auth).map(([name]) => name)
  expect(open).toEqual(['getHealth'])
  expect([...Object.keys(matrix), ...open].sort()).toEqual(Object.keys(routes).sort())
})

test.each(cases)('$name below $base', async ({ name, base, row }) => {
  const route: Route = routes[name]
  const thing = await makeThing()
  const asked = { url: on.url, base: base === '/' ? '' : base, ...row.ask(thing) }
  const by = async (key: string | undefined) => {
    const { status, text } = await knock(route, { ...asked, key })
    return { status, text, code: /"code":"(\w+)"/.exec(text)?.[1] }
  }
  // A WebSocket may bring its key later: the test of that is below.
  if (!isSocketRoute(route)) expect(await by(undefined)).toMatchObject({ status: 401, code: 'unauthorized' })
  for (const bad of ['wrn_short', '', keys.unknown, keys.revoked, keys.expired])
    expect(await by(bad), bad).toMatchObject({ status: 401, code: 'unauthorized' })
  expect((await by(keys.expired)).text).toContain('has expired')
  expect((await by(keys.revoked)).text).toContain('is not valid')
  for (const scope of lesser[route.scope]) {
    const refused = await by(keys[scope])
    expect(refused, scope).toMatchObject({ status: 403, code: 'forbidden' })
    expect(refused.text).toContain(`Use a key of the scope \\"${route.scope}\\"`)
  }
  const foreign = await by(keys.foreign)
  if (row.others === 'not found') expect(foreign).toMatchObject({ status: 404, code: 'not_found' })
  else expect(foreign.status).toBeLessThan(300)
  for (const ours of Object.values(thing)) if (row.others === 'their own') expect(foreign.text).not.toContain(ours)
  // Nothing of all that has touched it. The smallest scope that is enough is enough.
  expect(await ask.status(thing.capsule)).toBe('running')
  const answer = await by(keys[route.scope])
  expect([401, 403]).not.toContain(answer.status)
  expect(answer.text).not.toMatch(/There is no such capsule|There is no template|No such key/)
})

test.each(cases.filter(({ name }) => isSocketRoute(routes[name])))(
  '$name below $base, with the key in the first message',
  async ({ name, base, row }) => {
    const { capsule } = await makeThing()
    const path = routes[name].path.replace('{id}', capsule).replace('{selector}', 'some')
    const first = async (token: string | undefined) => {
      const socket = await new Socket(on, (base === '/' ? '' : base) + path, { key: '' }).open()
      if (token === undefined) on.clock.advance(6)
      else socket.say({ type: 'auth', token })
      if (row.others === 'not found' && token === keys.run) socket.say({ type: 'start', cmd: 'none' })
      const said = await socket.next()
      socket.ws.terminate()
      await socket.closed
      return said
    }
    for (const bad of [undefined, '', 'wrn_short', keys.unknown, keys.revoked, keys.expired])
      expect(await first(bad)).toMatchObject({ type: 'error', ...codeOf(name, 'unauthorized') })
    expect(await first(keys.read)).toMatchObject({ type: 'error', ...codeOf(name, 'forbidden') })
    expect(await first(keys.foreign)).toMatchObject({ type: 'error', ...codeOf(name, 'not_found') })
    expect(String((await first(keys.run)).data)).not.toMatch(/API key|such capsule/)
  },
)

/** Terminals tell of failures without a code. */
function codeOf(name: RouteName, code: string): object {
  return name === 'terminal' ? {} : { code }
}

test('what needs no key is this, and nothing else', async () => {
  const capsule = await ask.capsule()
  const statuses: Record<string, number> = {}
  for (const path of ['/health', '/api/health', '/openapi.json', '/docs/', '/metrics', '/v1', '/nothing'])
    statuses[path] = (await fetch(on.url + path)).status
  expect(statuses).toEqual({
    ...{ '/health': 200, '/api/health': 200, '/openapi.json': 200, '/docs/': 200 },
    // For this machine alone, or with a token of its own: telemetry.test.ts.
    '/metrics': 200,
    ...{ '/v1': 404, '/nothing': 404 },
  })
  // A port of a capsule is for whoever knows its id, unless it has a token: access.test.ts. Nothing listens on this one.
  const host = `8888-${capsule}.localhost`
  expect(await knock(routes.getHealth, { url: on.url, base: '', headers: { host } })).toMatchObject({ status: 502 })
  const closed = `8888-${await ask.capsule({ proxy_auth: true })}.localhost`
  const guarded = (headers: object) =>
    knock(routes.getHealth, { url: on.url, base: '', headers: { host: closed, ...headers } })
  for (const key of [undefined, keys.unknown, keys.revoked, keys.expired, keys.read, keys.foreign])
    expect((await guarded(key === undefined ? {} : { 'x-api-key': key })).status).toBe(401)
  expect((await guarded({ 'x-api-key': keys.run })).status).toBe(502)
})
