/** What the host asks of a real guest's agent, past the server. */
import type { ExecChunk, Guest } from '@wrenn/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Api } from '../support/api.js'
import { startVm, type VmRunning } from '../support/vm.js'

let wrenn: VmRunning
let id: string
let guest: Guest
const signal = AbortSignal.timeout(600_000)
beforeAll(async () => {
  wrenn = await startVm()
  id = (await new Api(wrenn, '/api').call('createCapsule', { json: { template: 'base-python' } })).body.id as string
  guest = wrenn.host.guest(id)
})
afterAll(() => wrenn.end())

async function* source(text: string | Uint8Array): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text as string)
}

async function whole(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts)
}

/** Reads on until the output says so. */
async function says(output: AsyncIterable<ExecChunk>, text: string | RegExp): Promise<string> {
  const chunks = output[Symbol.asyncIterator]()
  let said = ''
  for (;;) {
    const { value, done } = await chunks.next()
    if (done || value.type === 'exit') throw new Error(`it ended after ${JSON.stringify(said)}`)
    said += Buffer.from(value.data).toString()
    if (typeof text === 'string' ? said.includes(text) : text.test(said)) return said
  }
}

test('a kept program is taken up again at an offset, and takes what is written', async () => {
  const leaving = new AbortController()
  const spec = { cmd: 'cat', args: [], stdin: true, onDisconnect: 'keep' as const }
  const kept = await guest.exec(spec, leaving.signal)
  await guest.writeStdin(kept.id, source('one '), signal)
  await says(kept.output, 'one ')
  leaving.abort()
  await guest.writeStdin(kept.id, source('two'), signal)
  await guest.endStdin(kept.id, signal)
  const again = await guest.attach(kept.id, { from: 2 }, signal)
  expect(again).toMatchObject({ id: kept.id, pid: kept.pid, offset: 2, dropped: false })
  let text = ''
  for await (const chunk of again.output) if (chunk.type === 'stdout') text += Buffer.from(chunk.data).toString()
  expect(text).toBe('e two')
  await expect(guest.writeStdin(kept.id, source('x'), signal)).rejects.toMatchObject({ code: 'not_found' })
})

test('a terminal is typed into, resized and ended', async () => {
  const terminal = await guest.exec({ cmd: 'bash', args: [], pty: { cols: 80, rows: 24 } }, signal)
  await guest.resize(terminal.id, { cols: 99, rows: 33 }, signal)
  await guest.writeStdin(terminal.id, source('stty size\r'), signal)
  await says(terminal.output, '33 99')
  await guest.kill(terminal.id, 'SIGTERM', signal)
  await expect.poll(async () => (await guest.processes(signal)).length).toBe(0)
})

test('files are moved, archived, laid out and watched', async () => {
  await guest.writeFile('/root/a/b', source(Buffer.alloc(3_000_000, 'b')), signal)
  const changes = await guest.watch('/root', false, signal)
  await guest.move({ from: '/root/a', to: '/root/c', overwrite: false }, signal)
  for await (const change of changes) {
    expect(change).toEqual({ type: 'moved', path: '/root/c', from: '/root/a' })
    break
  }
  const archive = await whole(await guest.readTar('/root/c', signal))
  await guest.writeTar('/root/d', source(archive), signal)
  expect(await guest.stat('/root/d/b', signal)).toMatchObject({ size: 3_000_000, type: 'file' })
  await expect(guest.writeTar('/root/e', source('nonsense'), signal)).rejects.toMatchObject({ code: 'invalid_request' })
})

test('an upload that is given up leaves no part of a file', async () => {
  const leaving = new AbortController()
  const halfway = async function* () {
    yield Buffer.alloc(300_000)
    await guest.stat('/root', signal)
    leaving.abort(new Error('the client left'))
    await new Promise(() => {})
  }
  await expect(guest.writeFile('/root/half', halfway(), leaving.signal)).rejects.toThrow('the client left')
  await expect(guest.stat('/root/half', signal)).rejects.toMatchObject({ code: 'not_found' })
})

test('a port is reached, each way ends alone, and where nothing listens that is said', async () => {
  const script = `
import socket
server = socket.create_server(('127.0.0.1', 8080))
print('listening', flush=True)
connection, _ = server.accept()
data = b''
while chunk := connection.recv(65536):
    data += chunk
connection.sendall(b'%d' % len(data))
`
  const program = await guest.exec({ cmd: 'python3', args: ['-c', script] }, signal)
  await says(program.output, 'listening')
  const connection = await guest.connect(8080, signal)
  connection.end(Buffer.alloc(2_000_000))
  expect((await whole(connection)).toString()).toBe('2000000')
  await expect(guest.connect(8081, signal)).rejects.toMatchObject({ code: 'agent_error' })
})

test('what it uses is seen from outside', async () => {
  const [before] = await wrenn.host.samples()
  const { output } = await guest.exec(
    { cmd: 'python3', args: ['-c', 'b = b"x" * 50_000_000\nprint("held", flush=True)\ninput()'], stdin: true },
    signal,
  )
  await says(output, 'held')
  const [after] = await wrenn.host.samples()
  expect(after).toMatchObject({ capsuleId: id })
  expect(after!.cpuMs).toBeGreaterThan(before!.cpuMs)
  expect(after!.memoryBytes - before!.memoryBytes).toBeGreaterThan(40_000_000)
  expect(after!.diskBytes).toBe(await wrenn.host.diskUsedBytes(id))
})
