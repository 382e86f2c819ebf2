/** The command line, used inside real capsules. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startVm, type VmRunning } from '../support/vm.js'

const main = fileURLToPath(new URL('../../packages/cli/dist/main.js', import.meta.url))
const terminal = fileURLToPath(new URL('python/terminal.py', import.meta.url))
let wrenn: VmRunning
let id: string
let dir: string
const running = new Set<ChildProcess>()
beforeAll(async () => {
  wrenn = await startVm()
  dir = await mkdtemp(join(tmpdir(), 'wrenn-cli-'))
  id = (await cli(['capsule', 'create', '-t', 'base-python'])).out
})
afterAll(async () => {
  for (const child of running) child.kill('SIGKILL')
  await rm(dir, { recursive: true, force: true })
  await wrenn.end()
})

function begin(argv: string[], env: Record<string, string> = {}): ChildProcess {
  const [program = '', ...args] = argv
  const settings = { WRENN_BASE_URL: `${wrenn.url}/api`, WRENN_API_KEY: wrenn.key, TERM: 'xterm-256color' }
  const child = spawn(program, args, {
    env: { PATH: process.env['PATH'], ...settings, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  running.add(child)
  child.once('close', () => running.delete(child))
  return child
}

async function ended(child: ChildProcess, input = ''): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', '']
  child.stdout!.on('data', (data: Buffer) => (out += data.toString()))
  child.stderr!.on('data', (data: Buffer) => (err += data.toString()))
  child.stdin!.end(input)
  const [code] = (await once(child, 'close')) as [number]
  return { code, out: out.trim(), err: err.trim() }
}

const cli = (args: string[], input?: string) => ended(begin([process.execPath, main, ...args]), input)

type Step = ['wait' | 'type', string] | ['size', number, number]

/** Uses the command line in a terminal. */
async function typed(args: string[], steps: Step[]): Promise<{ shown: string; code: number }> {
  const child = begin(['python3', terminal, process.execPath, main, ...args], { STEPS: JSON.stringify(steps) })
  const { code, out, err } = await ended(child)
  expect([code, err]).toEqual([0, ''])
  return JSON.parse(out) as { shown: string; code: number }
}

test('a shell is a real terminal: it has a size, which changes, and an exit code', async () => {
  const { code } = await typed(
    ['shell', id, '--', 'bash', '--norc'],
    [
      ['size', 90, 25],
      ['wait', '# '],
      ['type', 'stty size; tty\r'],
      ['wait', '25 90\\s+/dev/pts/'],
      ['size', 110, 35],
      ['type', 'sleep 0.3; stty size\r'],
      ['wait', '\\s35 110\\s'],
      ['type', "sh -c 'printf sta%s rted; exec sleep 100'\r"],
      ['wait', 'started'],
      ['type', '\x03'],
      ['wait', '# '],
      ['type', 'exit 5\r'],
    ],
  )
  expect(code).toBe(5)
})

test('a shell that is left is come back to', async () => {
  const left = await typed(
    ['shell', id, '--tag', 'mine', '--', 'bash', '--norc'],
    [
      ['wait', '# '],
      ['type', 'word=kept\r'],
      ['wait', '# '],
      ['type', '\r~.'],
    ],
  )
  expect(left.shown).toContain(`--attach mine`)
  const back = await typed(
    ['shell', id, '--attach', 'mine'],
    [
      ['type', 'echo it is $word\r'],
      ['wait', 'it is kept\\s'],
      ['type', 'exit\r'],
    ],
  )
  expect(back.code).toBe(0)
})

test('input is passed on, and logs are followed to their end', async () => {
  expect(await cli(['exec', '-i', id, '--', 'sort'], 'b\na\n')).toMatchObject({ code: 0, out: 'a\nb' })
  const script = 'for i in 1 2 3; do echo $i; sleep 0.3; done; exit 6'
  await cli(['exec', '-d', '--tag', 'count', id, '--', 'sh', '-c', script])
  expect(await cli(['logs', id, 'count', '-f'])).toMatchObject({ out: '1\n2\n3' })
})

test('directories are copied both ways with their links and permissions', async () => {
  const tree = join(dir, 'tree')
  await mkdir(join(tree, 'sub'), { recursive: true })
  await writeFile(join(tree, 'sub', 'file'), 'content')
  await chmod(join(tree, 'sub', 'file'), 0o750)
  await symlink('sub/file', join(tree, 'link'))
  expect(await cli(['cp', '-r', tree, `${id}:/root/`])).toMatchObject({ code: 0, err: '' })
  const there = await cli(['exec', id, '--', 'sh', '-c', 'cd /root/tree; cat link; readlink link; stat -c %a sub/file'])
  expect(there.out).toBe('contentsub/file\n750')
  const back = join(dir, 'back')
  await mkdir(back)
  expect(await cli(['cp', '-r', `${id}:/root/tree`, back])).toMatchObject({ code: 0, err: '' })
  expect(await readFile(join(back, 'tree', 'link'), 'utf8')).toBe('content')
  expect(await readlink(join(back, 'tree', 'link'))).toBe('sub/file')
  expect((await stat(join(back, 'tree', 'sub', 'file'))).mode & 0o777).toBe(0o750)
})

test('a port is forwarded, and events are told', async () => {
  await cli(['exec', '-d', id, '--', 'python3', '-m', 'http.server', '8000', '--bind', '127.0.0.1'])
  const forwarding = begin([process.execPath, main, 'port-forward', id, '0:8000'])
  const [line] = (await once(createInterface({ input: forwarding.stdout! }), 'line')) as [string]
  const [, port] = /127\.0\.0\.1:(\d+)/.exec(line)!
  const status = () =>
    fetch(`http://127.0.0.1:${port}/`).then(
      (answer) => answer.status,
      () => 0,
    )
  await expect.poll(status, { timeout: 30_000, interval: 200 }).toBe(200)
  forwarding.kill('SIGINT')
  await once(forwarding, 'close')

  const telling = begin([process.execPath, main, 'events', '--json'])
  const told = createInterface({ input: telling.stdout! })[Symbol.asyncIterator]()
  const next = async () => (JSON.parse((await told.next()).value as string) as { event: string }).event
  expect(await next()).toBe('connected')
  const made = cli(['capsule', 'create'])
  for (let event = await next(); event !== 'capsule.create'; event = await next());
  await cli(['capsule', 'delete', (await made).out])
  telling.kill('SIGINT')
  await once(telling, 'close')
})
