/** What a client is told while the disk of the server fails, and that everything goes on afterwards. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { aroundFileCalls, type FileCall } from '@wrenn/host/faults'
import type { RouteName } from '@wrenn/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Api, type Answer } from '../support/api.js'
import { startFake, type FakeRunning } from '../support/wrenn.js'

const codes = ['ENOSPC', 'EROFS', 'EIO', 'EMFILE'] as const
/** How many calls of each request fail. */
const MOST = 8

let wrenn: FakeRunning
let api: Api
let around: (call: FileCall, work: () => unknown) => unknown = (_, work) => work()
let end: () => void
/** Where uploads wait. One that cannot be removed stays there, and is nobody else's business. */
let uploads: string
const temporary = process.env['TMPDIR']
beforeAll(async () => {
  uploads = await mkdtemp(join(tmpdir(), 'wrenn-uploads-of-the-test-'))
  process.env['TMPDIR'] = uploads
  wrenn = await startFake()
  api = new Api(wrenn)
  const isOurs = (path: string) => path.startsWith(wrenn.dataDir) || path.startsWith(uploads)
  end = await aroundFileCalls((call, work) => (call.paths.some(isOurs) ? around(call, work) : work()))
})
afterAll(async () => {
  end()
  await wrenn.end()
  if (temporary === undefined) delete process.env['TMPDIR']
  else process.env['TMPDIR'] = temporary
  await rm(uploads, { recursive: true, force: true })
})

const of = (name: RouteName, id: string, json?: unknown) => api.call(name, { params: { id }, json })
async function capsule(): Promise<string> {
  const { status, body } = await api.call('createCapsule', { json: {} })
  expect(status).toBe(201)
  return body.id as string
}
async function paused(): Promise<string> {
  const id = await capsule()
  expect((await of('pauseCapsule', id)).status).toBe(200)
  return id
}
const snapshot = (id: string, query = '') =>
  api.call('createSnapshot', { json: { sandbox_id: id, name: 'a', keep_source: true }, query })
async function template(): Promise<string> {
  const id = await capsule()
  expect((await snapshot(id, '?overwrite=true')).status).toBe(201)
  return id
}

interface Request {
  what: string
  prepare?: () => Promise<string>
  ask: (id: string) => Promise<Answer>
}

const requests: Request[] = [
  { what: 'a start', ask: () => api.call('createCapsule', { json: {} }) },
  { what: 'a snapshot', prepare: capsule, ask: (id) => snapshot(id, '?overwrite=true') },
  { what: 'an overwrite', prepare: template, ask: (id) => snapshot(id, '?overwrite=true') },
  { what: 'a fork', prepare: capsule, ask: (id) => of('forkCapsule', id, { count: 2 }) },
  { what: 'a pause', prepare: capsule, ask: (id) => of('pauseCapsule', id) },
  { what: 'a resume', prepare: paused, ask: (id) => of('resumeCapsule', id) },
  { what: 'the end of a capsule', prepare: capsule, ask: (id) => of('deleteCapsule', id) },
  {
    what: 'an upload',
    prepare: capsule,
    ask: (id) => {
      const form = new FormData()
      // In this order the server has to keep the file until it knows the path.
      form.set('file', new Blob(['x'.repeat(300_000)]), 'file')
      form.set('path', '/root/file')
      return api.call('writeFile', { params: { id }, raw: form })
    },
  },
]

/** Makes the request while one of its calls fails; which that was, and how many there were. */
async function failing({ ask }: Request, id: string, { at, code }: { at: number; code: string }) {
  const calls: string[] = []
  around = ({ name, paths }, work) => {
    if (calls.push(`${name} ${paths.join(' ')}`) - 1 !== at) return work()
    throw Object.assign(new Error(`${code}: of the test`), { code })
  }
  const answer = await ask(id)
  around = (_, work) => work()
  return { answer, call: calls[at], count: calls.length }
}

test.each(requests)('$what while the disk fails', async (request) => {
  const prepare = request.prepare ?? (async () => '')
  const { count } = await failing(request, await prepare(), { at: -1, code: '' })
  for (let i = 0; i < Math.min(MOST, count); i++) {
    const at = Math.floor((i * count) / Math.min(MOST, count))
    const code = codes[i % codes.length]!
    const id = await prepare()
    const { answer, call } = await failing(request, id, { at, code })
    const when = `${code} at ${call}: ${JSON.stringify(answer.body)}`
    if (answer.status < 400) continue
    const expected = code === 'ENOSPC' ? 'insufficient_storage' : 'host_unavailable'
    expect(answer.body.error, when).toMatchObject({ code: expected, hint: expect.any(String) })
    // As before: what is asked for again is done.
    expect((await request.ask(id)).status, when).toBeLessThan(300)
  }
})

test('nothing of it is left, and nothing is lost by a restart', async () => {
  await wrenn.host.upkept()
  await wrenn.restart()
  const { body } = await api.call('listCapsules', { query: '?limit=500' })
  const ids = (body.items ?? body).map(({ id }: { id: string }) => id) as string[]
  for (const id of ids) expect((await of('deleteCapsule', id)).status).toBeLessThan(300)
  await api.call('deleteSnapshot', { params: { name: 'a' } })
  await wrenn.host.upkept()
  expect(wrenn.world.machines.size).toBe(0)
  // What a template was is removed behind the answer.
  for (const folder of ['capsules', 'snapshots', 'staging'])
    await expect.poll(() => readdir(join(wrenn.dataDir, folder)), { message: folder }).toEqual([])
})
