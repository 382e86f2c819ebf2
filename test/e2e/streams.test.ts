/** Streams, terminals, ports and events end to end, on the fake vmm. */
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Wrenn, type Capsule, type Pty } from 'wrenn'
import { Socket } from '../../packages/server/src/testing/socket.js'
import { startFake, type FakeRunning } from '../support/wrenn.js'

let wrenn: FakeRunning
let client: Wrenn
let capsule: Capsule
beforeAll(async () => {
  wrenn = await startFake()
  client = clientOf()
  capsule = await client.capsules.create()
})
afterAll(() => wrenn.end())

const clientOf = () => new Wrenn({ baseUrl: wrenn.url, apiKey: wrenn.key })
const dial = (path: string) => new Socket(wrenn, `/v1/capsules/${capsule.id}${path}`).open()
const text = (said: object[]) =>
  (said as { type: string; data: string }[]).flatMap(({ type, data }) => (type === 'stdout' ? [data] : [])).join('')

test('a program is run over a WebSocket, and answers what it is told', async () => {
  const socket = await dial('/exec/stream')
  socket.say({ type: 'start', cmd: 'cat' })
  let wanted = ''
  for (let i = 0; i < 10_000; i++) {
    wanted += `${i}é😀`
    socket.say({ type: 'stdin', data: `${i}é😀` })
  }
  socket.say({ type: 'stdin_end' })
  const said = await socket.rest()
  expect(text(said) === wanted).toBe(true)
  expect(said.at(-1)).toEqual({ type: 'exit', exit_code: 0 })
  expect(await socket.closed).toBe(1000)
})

test('a client that lost its socket goes on from its offset, on a server that was started anew', async () => {
  const first = await dial('/exec/stream')
  first.say({ type: 'start', cmd: 'cat', on_disconnect: 'keep' })
  const { id } = await first.next()
  first.say({ type: 'stdin', data: 'one ' })
  const { offset } = await first.next()
  first.ws.terminate()
  await wrenn.restart()
  client = clientOf()
  capsule = await client.capsules.connect(capsule.id)
  await capsule.commands.write(id, 'two ')
  const second = await dial(`/processes/${id}/stream?from=${offset}`)
  second.say({ type: 'stdin', data: 'three' })
  second.say({ type: 'stdin_end' })
  expect(text(await second.rest())).toBe('two three')
})

test('a program is ended with the socket that it was started by, unless it is kept', async () => {
  for (const [on_disconnect, count] of [
    ['kill', 0],
    ['keep', 1],
  ] as const) {
    const socket = await dial('/exec/stream')
    socket.say({ type: 'start', cmd: 'sleep', args: ['infinity'], tag: `left-${on_disconnect}`, on_disconnect })
    expect(await socket.next()).toMatchObject({ type: 'start' })
    socket.ws.close(1000)
    const left = async () => (await capsule.commands.list()).filter(({ tag }) => tag === `left-${on_disconnect}`).length
    await socket.closed
    await expect.poll(left).toBe(count)
  }
  await capsule.commands.kill('left-keep')
})

/** Reads on until what the terminal shows says so. */
async function shows(pty: Pty, wanted: string): Promise<void> {
  let shown = ''
  for await (const bytes of pty) {
    shown += Buffer.from(bytes).toString()
    if (shown.includes(wanted)) return
  }
  throw new Error(`it ended after ${JSON.stringify(shown)}`)
}

test('a terminal is shared, resized, left and taken up again, also in a clone of its capsule', async () => {
  const pty = await capsule.pty({ cmd: 'sh', cols: 90, rows: 30, tag: 'term' })
  await pty.write('stty size\n')
  await shows(pty, '30 90')
  const other = await capsule.ptyConnect('term')
  await other.resize({ cols: 100, rows: 40 })
  await other.write('stty size\n')
  await Promise.all([shows(pty, '40 100'), shows(other, '40 100')])
  const [clone] = await capsule.fork(1)
  const cloned = await clone!.ptyConnect('term')
  await cloned.write('echo in the clone\n')
  await shows(cloned, 'in the clone\r\n')
  await clone!.destroy()
  await pty.write('exit 3\n')
  expect(await pty.exitCode).toBe(3)
})

async function get(port: number, path: string): Promise<[number, string]> {
  const asked = request({
    ...{ host: '127.0.0.1', port: new URL(wrenn.url).port, path },
    headers: { host: `${port}-${capsule.id}.wrenn.test`, 'x-api-key': wrenn.key },
  })
  asked.end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  return [answer.statusCode!, (await buffer(answer)).toString()]
}

test('ports are reached by name, HTTP and WebSocket', async () => {
  await capsule.commands.start({ cmd: 'http-echo', args: ['8000'] })
  await expect.poll(() => get(8000, '/a%20b?c').then(([status]) => status)).toBe(200)
  const [, echoed] = await get(8000, '/a%20b?c')
  expect(echoed).toContain('/a%20b?c')
  expect(echoed).not.toContain(wrenn.key)
  await capsule.commands.start({ cmd: 'ws-echo', args: ['8001'] })
  await expect.poll(() => get(8001, '/').then(([status]) => status)).toBe(426)
  const socket = await new Socket(wrenn, '/', { headers: { host: `8001-${capsule.id}.wrenn.test` } }).open()
  socket.say({ echo: 'é' })
  expect(await socket.next()).toEqual({ echo: 'é' })
  socket.ws.close()
  expect((await get(8002, '/'))[0]).toBe(502)
})

test('what happens is told in its order, and what was missed is told later', async () => {
  const told: string[] = []
  const leave = new AbortController()
  let made: Capsule | undefined
  for await (const { event, resource, metadata } of client.events({ signal: leave.signal })) {
    if (event === 'connected') made = await client.capsules.create()
    if (resource.id !== made?.id) continue
    told.push(event === 'capsule.state.changed' ? `${metadata!['from']} to ${metadata!['to']}` : event)
    if (event === 'capsule.create') await made.pause()
    if (event === 'capsule.pause') await made.destroy()
    if (event === 'capsule.destroy') break
  }
  expect(told.filter((one) => !one.includes(' to '))).toEqual(['capsule.create', 'capsule.pause', 'capsule.destroy'])
  expect(told.filter((one) => one.includes(' to '))).toEqual(
    expect.arrayContaining(['starting to running', 'running to paused', 'paused to stopped']),
  )
})

test('what a capsule uses is measured', async () => {
  const used = await client.capsules.usage()
  expect(used.points.length).toBeGreaterThan(29)
  expect((await client.capsules.stats()).current.running_count).toBeGreaterThan(0)
})
