/** What people do inside real capsules: streams, terminals, files and ports, with peers that break. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import type { Socket as TcpSocket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Wrenn, type Capsule, type CommandEvent, type Pty } from 'wrenn'
import { Socket } from '../../packages/server/src/testing/socket.js'
import { Api } from '../support/api.js'
import { startVm, type VmRunning } from '../support/vm.js'

let wrenn: VmRunning
let client: Wrenn
let capsule: Capsule
const clientOf = ({ url, key }: VmRunning) => new Wrenn({ baseUrl: `${url}/api`, apiKey: key })
beforeAll(async () => {
  wrenn = await startVm()
  client = clientOf(wrenn)
  capsule = await client.capsules.create({ template: 'base-python' })
})
afterAll(() => wrenn.end())

const run = async (command: string, on = capsule) => (await on.commands.run(command, { timeoutSec: 120 })).stdout.trim()
const dial = (path: string) => new Socket(wrenn, `/v1/capsules/${capsule.id}${path}`).open()
const say = (socket: Socket, message: object) => socket.ws.send(JSON.stringify(message))

/** All that is said until the socket closes. */
async function heard(socket: Socket): Promise<{ text: string; last: object }> {
  const said = (await socket.rest()) as { type: string; data: string }[]
  const text = said.flatMap(({ type, data }) => (type === 'stdout' ? [data] : [])).join('')
  return { text, last: said.at(-1)! }
}

test('characters survive wherever a stream is cut, and ten thousand small messages arrive in their order', async () => {
  const socket = await dial('/exec/stream')
  say(socket, { type: 'start', cmd: 'cat' })
  let wanted = ''
  for (let i = 0; i < 10_000; i++) {
    const piece = `${i}é€😀\n`
    wanted += piece
    say(socket, { type: 'stdin', data: piece })
  }
  say(socket, { type: 'stdin_end' })
  const { text, last } = await heard(socket)
  expect(text === wanted).toBe(true)
  expect(last).toMatchObject({ type: 'exit', exit_code: 0 })
  expect(await socket.closed).toBe(1000)
})

test('a client that never reads stops its program, and nobody else', async () => {
  const socket = await dial('/exec/stream')
  say(socket, { type: 'start', cmd: 'sh', args: ['-c', 'head -c 1000000000 /dev/zero; touch /root/all'] })
  expect(await socket.next()).toMatchObject({ type: 'start' })
  socket.ws.pause()
  expect(await run('for i in 1 2 3 4 5; do echo $i; done; [ -e /root/all ] && echo all')).toBe('1\n2\n3\n4\n5')
  expect(process.memoryUsage().rss).toBeLessThan(1_000_000_000)
  socket.ws.terminate()
})

test('a program whose client lost its server goes on, and is taken up at the byte where it was', async () => {
  const command = 'i=0; while [ $i -lt 60 ]; do i=$((i + 1)); echo line $i; sleep 0.1; done'
  const events = capsule.commands.stream(command, { onDisconnect: 'keep' })
  const seen: CommandEvent[] = []
  let text = ''
  for await (const event of events) {
    seen.push(event)
    if (event.type === 'stdout') text += new TextDecoder().decode(event.data)
    if (text.includes('line 5\n')) break
  }
  const start = seen.find((event) => event.type === 'start')!
  await wrenn.restart()
  client = clientOf(wrenn)
  capsule = await client.capsules.connect(capsule.id)
  const from = Buffer.byteLength(text)
  for await (const event of capsule.commands.attach(start.id, { from }))
    if (event.type === 'stdout') text += new TextDecoder().decode(event.data)
  expect(text).toBe(Array.from({ length: 60 }, (_, i) => `line ${i + 1}\n`).join(''))
})

/** Reads on until what the terminal shows says so. */
async function shows(pty: Pty, wanted: RegExp): Promise<string> {
  let shown = ''
  for await (const bytes of pty) {
    shown += Buffer.from(bytes).toString()
    if (wanted.test(shown)) return shown
  }
  throw new Error(`it ended after ${JSON.stringify(shown)}`)
}

test('programs that take the whole screen can be used', async () => {
  const pty = await capsule.pty({ cols: 100, rows: 30, tag: 'screen' })
  await pty.write('seq 1 500 > /root/numbers; less /root/numbers\n')
  await shows(pty, /29\r?\n/)
  await pty.write('G')
  await shows(pty, /500/)
  await pty.write('q')
  await pty.write('vi /root/written\n')
  await shows(pty, /written/)
  await pty.write('ihello from vi\x1b:wq\n')
  await pty.write('cat /root/written\n')
  await shows(pty, /hello from vi[^]*hello from vi/)
  await pty.resize({ cols: 120, rows: 40 })
  await pty.write('stty size; htop -d 5\n')
  await shows(pty, /40 120[^]*Load average/)
  await pty.write('q')
  await pty.write('exit 4\n')
  await shows(pty, /exit/).catch(() => {})
  expect(await pty.exitCode).toBe(4)
}, 120_000)

test('two clients share a terminal, and it outlives both', async () => {
  const one = await capsule.pty({ tag: 'shared' })
  const other = await capsule.ptyConnect('shared')
  await one.write('echo from-$((1 + 1))\n')
  await Promise.all([shows(one, /from-2/), shows(other, /from-2/)])
  await other.write('echo from-$((2 + 2))\n')
  await Promise.all([shows(one, /from-4/), shows(other, /from-4/)])
  const later = await capsule.ptyConnect('shared')
  await shows(later, /from-2[^]*from-4/)
  await later.kill()
  expect(await later.exitCode).toBe(-1)
})

test('a directory goes through as one archive, and what changes in it is told', async () => {
  await run(
    'rm -rf /srv/tree; mkdir -p /srv/tree/a; echo b > /srv/tree/a/b; ln -s a/b /srv/tree/link; chmod 750 /srv/tree/a',
  )
  await capsule.files.writeTar('/srv/copy', await capsule.files.readTar('/srv/tree'))
  expect(await run('cd /srv/copy; cat link; readlink link; stat -c %a a')).toBe('b\na/b\n750')
  expect(await capsule.files.stat('/srv/copy/a/b')).toMatchObject({ type: 'file', size: 2 })
  // So that there is something to tell from when it is watched.
  await capsule.commands.start('while sleep 0.1; do touch /srv/copy/a/b; done', { tag: 'toucher' })
  let isMoved = false
  for await (const change of capsule.files.watch('/srv/copy', { recursive: true })) {
    if (!isMoved) await run('mv /srv/copy/a /srv/copy/c')
    isMoved = true
    if (change.type !== 'moved') continue
    expect(change).toEqual({ type: 'moved', path: '/srv/copy/c', from: '/srv/copy/a' })
    break
  }
  await capsule.commands.kill('toucher')
}, 60_000)

async function get(port: number, path: string): Promise<[number, Buffer]> {
  const asked = request({
    ...{ host: '127.0.0.1', port: new URL(wrenn.url).port, path },
    headers: { host: `${port}-${capsule.id}.wrenn.test`, 'x-api-key': wrenn.key },
  })
  asked.end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  return [answer.statusCode!, await buffer(answer)]
}

/** Shows what it was sent, and echoes WebSockets. */
const listener = `
import asyncio, base64, hashlib
async def serve(reader, writer):
    head = await reader.readuntil(b'\\r\\n\\r\\n')
    key = [line for line in head.split(b'\\r\\n') if line.lower().startswith(b'sec-websocket-key: ')]
    if not key:
        writer.write(b'HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n' % len(head) + head)
        return writer.close()
    digest = hashlib.sha1(key[0].split(b': ')[1] + b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest()
    accept = base64.b64encode(digest)
    writer.write(b'HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ' + accept + b'\\r\\n\\r\\n')
    while True:
        kind, size = await reader.readexactly(2)
        size = size & 127
        mask = await reader.readexactly(4)
        data = bytes(b ^ mask[i % 4] for i, b in enumerate(await reader.readexactly(size)))
        writer.write(bytes([kind, size]) + data)
        await writer.drain()
async def main():
    async with await asyncio.start_server(serve, '127.0.0.1', 7000) as server:
        print('listening', flush=True)
        await server.serve_forever()
asyncio.run(main())
`

test('ports on the loopback are reached by HTTP and WebSocket, and the key stays outside', async () => {
  await capsule.files.write('/root/listener.py', listener)
  const started = await capsule.commands.start('python3 /root/listener.py')
  for await (const event of started.output()) if (event.type === 'stdout') break
  const [status, head] = await get(7000, '/a%20b//c?d=%zz')
  expect(status).toBe(200)
  expect(head.toString()).toMatch(/^GET \/a%20b\/\/c\?d=%zz HTTP\/1\.1\r\n/)
  expect(head.toString()).not.toContain(wrenn.key)
  const socket = new Socket(wrenn, '/', { headers: { host: `7000-${capsule.id}.wrenn.test` } })
  await socket.open()
  socket.ws.send(JSON.stringify({ echo: 'é' }))
  expect(await socket.next()).toEqual({ echo: 'é' })
  socket.ws.close()
  expect((await get(7001, '/'))[0]).toBe(502)
})

test('a cold server of files is reached as soon as it listens', async () => {
  await run('mkdir -p /srv/www; head -c 3000000 /dev/urandom > /srv/www/file')
  await capsule.commands.start('exec python3 -m http.server 8000 --bind 127.0.0.1 -d /srv/www', { tag: 'www' })
  await expect.poll(() => get(8000, '/file').then(([status]) => status), { timeout: 30_000, interval: 200 }).toBe(200)
  const [, file] = await get(8000, '/file')
  const sum = createHash('sha256').update(file).digest('hex')
  expect(await run('sha256sum < /srv/www/file')).toBe(`${sum}  -`)
})

test('tunnels pass bytes to any port', async () => {
  const asked = request({
    ...{ host: '127.0.0.1', port: new URL(wrenn.url).port, path: `/v1/capsules/${capsule.id}/ports/8000/tunnel` },
    headers: { connection: 'Upgrade', upgrade: 'wrenn-tunnel', 'x-api-key': wrenn.key },
  })
  asked.end()
  const [, socket] = (await once(asked, 'upgrade')) as [unknown, TcpSocket]
  socket.write('HEAD /file HTTP/1.0\r\n\r\n')
  let said = ''
  for await (const data of socket) said += String(data)
  expect(said).toMatch(/^HTTP\/1\.0 200 OK\r\n[^]*Content-Length: 3000000\r\n/i)
})

test('a fork bomb hurts its own capsule alone, which can still be ended', async () => {
  const victim = await client.capsules.create({ template: 'minimal' })
  await victim.commands.start('bomb() { bomb | bomb & }; bomb; sleep 300', { tag: 'bomb' })
  const neighbour = await client.capsules.create({ template: 'minimal' })
  const used = async () => (await wrenn.host.samples()).find(({ capsuleId }) => capsuleId === victim.id)!.cpuMs
  const before = await used()
  await expect.poll(used, { timeout: 30_000 }).toBeGreaterThan(before + 1_000)
  for (let i = 0; i < 5; i++) expect(await run('echo well', neighbour)).toBe('well')
  expect((await new Api(wrenn, '/api').call('getCapsule', { params: { id: victim.id } })).body.status).toBe('running')
  await victim.destroy()
  await neighbour.destroy()
  expect((await victim.refresh()).status).toBe('stopped')
}, 120_000)

test('events tell what happened, in its order', async () => {
  const told: string[] = []
  let made: string | undefined
  for await (const { event, resource } of client.events()) {
    if (event === 'connected') void client.capsules.create().then((one) => ((made = one.id), one.destroy()))
    else if (resource.id === made || made === undefined) told.push(event)
    if (event === 'capsule.destroy') break
  }
  expect(told.filter((event) => event !== 'capsule.state.changed')).toEqual(['capsule.create', 'capsule.destroy'])
})
