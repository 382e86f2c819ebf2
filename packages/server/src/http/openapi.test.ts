/** What is documented is served, what is served is documented, and tests allow what is documented. */
import { basePaths, errorTable, newId, routes, type Method, type Route } from '@wrenn/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pino } from 'pino'
import { Api, documentedStatuses } from '../../../../test/support/api.js'
import { Fleet } from '../fleet/fleet.js'
import { Peers } from '../proxy/peers.js'
import { PortProxy } from '../proxy/proxy.js'
import { Owed } from '../services/owed.js'
import { makeServices } from '../services/services.js'
import { serve, type Serving } from '../testing/serve.js'
import { Socket } from '../testing/socket.js'
import { makeApp } from './app.js'

interface Operation {
  operationId: string
  parameters: { name: string; in: string; required: boolean }[]
  requestBody?: { required: boolean; content: Record<string, unknown> }
  responses: Record<string, unknown>
  security?: unknown[]
  description?: string
  'x-scope'?: string
}

let on: Serving
let api: Api
let operations: { method: Method; path: string; operation: Operation }[]
beforeAll(async () => {
  on = await serve()
  api = new Api(on)
  const { body } = await api.send('GET', '/openapi.json')
  operations = Object.entries(body.paths as Record<string, Record<string, Operation>>).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase() as Method,
      path,
      operation,
    })),
  )
})
afterAll(() => on.end())

/** Something of the right form for each parameter, that is not there. */
const fill = (path: string) =>
  path
    .replace('{name}', 'nothing-of-this-name')
    .replace('{version}', '1')
    .replace('{selector}', 'some')
    .replace('{port}', '80')
    .replace('{id}', path.includes('api-keys') ? newId('key') : newId('capsule'))
const isStream = ({ responses }: Operation) => JSON.stringify(responses['200'] ?? {}).includes('text/event-stream')
const label = ({ method, path }: { method: string; path: string }) => `${method} ${path}`

/** What the router serves, `/v1/capsules/{id}` and so on, as it was told. */
async function served(): Promise<string[]> {
  const log = pino({ level: 'silent' })
  const context = {
    store: on.store,
    fleet: new Fleet([on.host]),
    log,
    clock: on.clock,
    owed: new Owed({ clock: on.clock, log }),
    hasNetwork: true,
  }
  const services = makeServices(context, { proxyAuth: false, secret: new Uint8Array(32), rates: {} })
  const peers = new Peers()
  const told: string[] = []
  const app = await makeApp({
    services,
    proxy: new PortProxy({ ...services, peers, log }),
    peers,
    origins: [],
    version: '1',
    logger: log,
    onRoute: ({ method, url }) => {
      for (const one of [method].flat()) told.push(`${one} ${url.replaceAll(/:(\w+)/g, '{$1}')}`)
    },
  })
  await app.close()
  return told
}

test('every operation that is documented is served, on both bases', async () => {
  expect(operations.length).toBeGreaterThan(25)
  for (const { method, path, operation } of operations) {
    for (const base of basePaths) {
      // Events go on for ever: what reads them has tests of its own.
      if (isStream(operation)) continue
      const { status, body } = await api.send(method, base + fill(path), method === 'POST' ? { body: '{}' } : {})
      const what = `${label({ method, path })} → ${status}`
      expect(status, what).not.toBe(405)
      expect(body?.error?.message ?? '', what).not.toContain('no such route')
      expect(Object.keys(operation.responses), what).toContain(String(status))
    }
  }
})

test('every route for WebSockets takes requests for an upgrade, on both bases, and documents both directions', async () => {
  const sockets = operations.filter(({ operation }) =>
    JSON.stringify(operation.responses['101'] ?? '').includes('x-websocket-messages'),
  )
  expect(sockets.map(({ operation }) => operation.operationId)).toEqual(['execStream', 'processStream', 'terminal'])
  for (const { path, operation } of sockets) {
    expect(operation.responses['101']).toMatchObject({
      'x-websocket-messages': { fromClient: { anyOf: expect.any(Array) }, fromServer: { oneOf: expect.any(Array) } },
    })
    for (const base of basePaths) {
      const accepted = await new Socket(on, base + fill(path), { key: '' }).open()
      accepted.ws.terminate()
      const { status, body } = await new Socket(on, base + fill(path)).refused()
      expect([status, body.error.message], path).toEqual([404, expect.not.stringContaining('no such route')])
    }
  }
})

test('every route that is served is documented, but for the pages', async () => {
  const documented = operations.flatMap((one) => basePaths.map((base) => `${one.method} ${base}${one.path}`))
  const pages = /^(\/api)?\/(openapi\.json|docs(\/.*)?)$|^\/metrics$/
  const others = (await served())
    .filter((one) => !one.startsWith('HEAD '))
    .filter((one) => !pages.test(one.split(' ')[1]!))
  expect(others.toSorted()).toEqual(documented.toSorted())
})

test('every route of the wire is an operation, with its parameters, its body and its answers', () => {
  const byId = new Map(operations.map((one) => [one.operation.operationId, one]))
  expect([...byId.keys()].sort()).toEqual(Object.keys(routes).sort())
  for (const [name, route] of Object.entries(routes) as [string, Route][]) {
    const { method, path, operation } = byId.get(name)!
    expect([method, path], name).toEqual([route.method, route.path])
    const inPath = operation.parameters.filter((one) => one.in === 'path').map((one) => one.name)
    expect(inPath.sort(), name).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, one]) => one).sort())
    const needed = operation.parameters.filter((one) => one.in === 'query' && one.required).map((one) => one.name)
    expect(needed, name).toEqual(name === 'writeTar' ? ['path'] : [])
    expect(operation.requestBody !== undefined, name).toBe(route.body !== undefined)
    expect(operation.parameters.some((one) => one.name === 'Idempotency-Key')).toBe(route.idempotencyKey === true)
    expect(operation.security === undefined, name).toBe(route.auth)
    expect(operation['x-scope'], name).toBe(route.scope)
    if (route.auth) expect(operation.description, name).toContain(`\`${route.scope}\``)
  }
})

test('the answers that tests let pass are those that are documented', () => {
  for (const { operation } of operations) {
    const route: Route = routes[operation.operationId as keyof typeof routes]
    const documented = Object.keys(operation.responses).map(Number)
    expect(documented.filter((status) => status < 400)).toEqual(Object.keys(route.replies).map(Number))
    expect(documented.sort()).toEqual([...documentedStatuses(route)].sort())
    for (const code of route.errors) expect(documented).toContain(errorTable[code].status)
  }
})
