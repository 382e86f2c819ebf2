import { PassThrough, Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { capsuleBody } from '../testing/bodies.js'
import { refusal, scripted } from '../testing/scripted.js'

const api = scripted()
const running = { 'GET /v1/capsules/cl-1': { json: capsuleBody() } }
const program = '/v1/capsules/cl-1/processes'
const start = (offset = 0, more = {}) => ({ type: 'start', id: 'exec-1', pid: 7, tag: 'web', offset, ...more })
const out = (data: string, offset: number, type = 'stdout') => ({ type, data, encoding: 'utf-8', offset })
const exit = { type: 'exit', exit_code: 3, duration_ms: 1 }

test('exec -i gives the program what comes in, and ends with it', async () => {
  const given: string[] = []
  let ended = () => {}
  api.script = {
    ...running,
    'POST /v1/capsules/cl-1/exec': (response) => {
      response.writeHead(200)
      response.write(`${JSON.stringify(start())}\n`)
      ended = () =>
        response.end([out('é', 2), out('no', 4, 'stderr'), exit].map((one) => JSON.stringify(one)).join('\n'))
      return undefined
    },
    [`POST ${program}/exec-1/stdin`]: () => {
      given.push(api.asked.at(-1)!.body.toString())
      return { status: 204 }
    },
    [`POST ${program}/exec-1/stdin/end`]: () => {
      ended()
      return { status: 204 }
    },
  }
  const stdin = Readable.from(['one\n', 'two\n'])
  expect(await api.wrenn(['exec', '-i', 'cl-1', 'cat'], { stdin })).toEqual({ code: 3, out: 'é', err: 'no' })
  expect(given).toEqual(['one\n', 'two\n'])
  expect(stdin.destroyed).toBe(true)
})

test('exec -i does not wait for input that the program does not read', async () => {
  api.script = { ...running, 'POST /v1/capsules/cl-1/exec': { lines: [start(), exit] } }
  const stdin = new Readable({ read() {} })
  expect(await api.wrenn(['exec', '-i', 'cl-1', 'true'], { stdin })).toMatchObject({ code: 3 })
  expect(stdin.destroyed).toBe(true)
})

test('without -i, nothing is read', async () => {
  api.script = { ...running, 'POST /v1/capsules/cl-1/exec': { lines: [start(), exit] } }
  const stdin = new Readable({ read: () => expect.unreachable('nobody asked for input') })
  await api.wrenn(['exec', 'cl-1', 'true'], { stdin })
  expect(api.asked.at(-1)!.json).not.toHaveProperty('stdin')
})

test('logs shows what there is and ends, though the program goes on', async () => {
  api.script = {
    ...running,
    [`GET ${program}/web/output?tail=0`]: { lines: [start(5)], open: true },
    [`GET ${program}/web/output`]: { lines: [start(), out('ab', 2), out('cde', 5, 'stderr')], open: true },
  }
  expect(await api.wrenn(['logs', 'cl-1', 'web'])).toEqual({ code: 0, out: 'ab', err: 'cde' })
})

test('logs of a program that has printed nothing ends at once', async () => {
  api.script = {
    ...running,
    [`GET ${program}/7/output?tail=0`]: { lines: [start()], open: true },
    [`GET ${program}/7/output`]: { lines: [start()], open: true },
  }
  expect(await api.wrenn(['logs', 'cl-1', '7'])).toEqual({ code: 0, out: '', err: '' })
})

test('logs -f goes on to the end, from where it is told; what is lost is said', async () => {
  api.script = {
    ...running,
    [`GET ${program}/web/output?from=4`]: { lines: [start(6, { dropped: true }), out('g', 7), exit] },
    [`GET ${program}/web/output?tail=1`]: { lines: [start(6), out('g', 7), exit] },
  }
  const lost = { code: 0, out: 'g', err: 'wrenn: some output is no longer there\n' }
  expect(await api.wrenn(['logs', 'cl-1', 'web', '-f', '--from', '4'])).toEqual(lost)
  expect(await api.wrenn(['logs', 'cl-1', 'web', '-f', '--tail', '1'])).toEqual({ code: 0, out: 'g', err: '' })
})

test('logs of a program that nobody knows is an error', async () => {
  api.script = { ...running, [`GET ${program}/x/output?tail=0`]: refusal(404, 'not_found', 'There is no x.') }
  expect(await api.wrenn(['logs', 'cl-1', 'x'])).toMatchObject({
    code: 1,
    err: 'error: There is no x. (not_found, req-1)\n',
  })
})

test('the URL of a port is printed, and the token that it asks for', async () => {
  api.script = running
  const env = { ...api.env(), WRENN_PROXY_DOMAIN: 'ports.example' }
  expect(await api.wrenn(['url', 'cl-1', '8000'], { env })).toEqual({
    code: 0,
    out: 'http://8000-cl-1.ports.example\n',
    err: '',
  })
  api.script = { 'GET /v1/capsules/cl-1': { json: { ...capsuleBody(), proxy_token: 'secret' } } }
  const { out: found } = await api.wrenn(['url', 'cl-1', '8000', '--json'], { env })
  expect(JSON.parse(found)).toEqual({ url: 'http://8000-cl-1.ports.example', token: 'secret' })
  expect((await api.wrenn(['url', 'cl-1', '8000'], { env })).err).toContain('X-Wrenn-Token: secret')
  expect((await api.wrenn(['url', 'cl-1', '0'])).code).toBe(2)
})

test('what a capsule has used is a table', async () => {
  const points = [{ timestamp_unix: 1_900_000_000, cpu_pct: 12.34, mem_bytes: 2 ** 20, disk_bytes: 0 }]
  api.script = {
    ...running,
    'GET /v1/capsules/cl-1/metrics?range=1h': { json: { sandbox_id: 'cl-1', range: '1h', points } },
  }
  const { code, out: shown } = await api.wrenn(['metrics', 'cl-1', '--range', '1h'])
  expect([code, shown.split('\n')[1]!.split(/\s{2,}/)]).toEqual([
    0,
    ['2030-03-17T17:46:40Z', '12.3 %', '1.0 MiB', '0 B'],
  ])
  expect((await api.wrenn(['metrics', 'cl-1', '--range', '7m'])).code).toBe(2)
})

test('what all capsules use is a table, and over time as JSON', async () => {
  const stats = {
    range: '1h',
    current: { running_count: 2, vcpus_reserved: 4, memory_mb_reserved: 1024 },
    peaks: { running_count: 5, vcpus: 9, memory_mb: 4096 },
    series: { labels: [], running: [], vcpus: [], memory_mb: [] },
  }
  const usage = {
    from: '2030-01-01',
    to: '2030-01-02',
    points: [{ date: '2030-01-01', cpu_minutes: 1.25, ram_mb_minutes: 512 }],
  }
  api.script = {
    'GET /v1/capsules/stats?range=1h': { json: stats },
    'GET /v1/capsules/usage?from=2030-01-01': { json: usage },
  }
  const { out: shown } = await api.wrenn(['stats'])
  expect(shown).toMatch(/capsules +2 +5\nvcpus +4 +9\nmemory +1024 MiB +4096 MiB\n/)
  expect(JSON.parse((await api.wrenn(['stats', '--json'])).out)).toEqual(stats)
  expect((await api.wrenn(['usage', '--from', '2030-01-01'])).out).toMatch(/2030-01-01 +1\.3 +512\n/)
})

test('events are a line each until Ctrl-C', async () => {
  const event = (kind: string, more = {}) => ({
    event: kind,
    resource: { id: 'cl-1', type: 'capsule' },
    actor: { type: 'api_key', name: 'ci' },
    timestamp: '2030-01-01T00:00:00.000Z',
    ...more,
  })
  const events = [
    event('capsule.state.changed', { metadata: { from: 'running', to: 'paused' } }),
    event('capsule.create', { outcome: 'error', error: 'No memory.' }),
  ]
  const listen = (argv: string[]) => {
    const stop = new AbortController()
    api.script = {
      'GET /v1/events/stream': (response) => {
        response.writeHead(200)
        for (const one of events) response.write(`id: 7\nevent: ${one.event}\ndata: ${JSON.stringify(one)}\n\n`)
        return undefined
      },
    }
    return api.wrenn(['events', ...argv], { signal: stop.signal, stdout: endingAfter(events.length, stop) })
  }
  expect(await listen([])).toEqual({
    code: 0,
    out:
      '2030-01-01T00:00:00.000Z  capsule.state.changed     cl-1  running -> paused  ci\n' +
      '2030-01-01T00:00:00.000Z  capsule.create            cl-1  failed: No memory.  ci\n',
    err: '',
  })
  const { out: lines } = await listen(['--json', '--since', '5'])
  expect(api.asked.at(-1)!.headers['last-event-id']).toBe('5')
  expect(
    lines
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual(events.map((one) => ({ ...one, id: '7' })))
})

/** Where so many writes are enough. */
function endingAfter(writes: number, stop: AbortController): PassThrough {
  const stdout = new PassThrough()
  const write = stdout.write.bind(stdout) as (data: string) => boolean
  let count = 0
  stdout.write = (data: string) => {
    if (++count === writes) stop.abort()
    return write(data)
  }
  return stdout
}
