/** What capsules are given of their own on the command line, and how that is shown. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { capsuleBody } from '../testing/bodies.js'
import { refusal, scripted } from '../testing/scripted.js'

const api = scripted()
const open = { internet: true, allow: [], deny: [] }
const some = { internet: false, allow: ['*.example.org', '203.0.113.7'], deny: ['bad.example.org'] }

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wrenn-own-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const lastJson = () => api.asked.at(-1)!.json as Record<string, unknown>

describe('variables', () => {
  beforeEach(() => {
    api.script = {
      'POST /v1/capsules': { status: 201, json: capsuleBody() },
      'POST /v1/capsules/cl-1/fork': { status: 201, json: [capsuleBody({ id: 'cl-2' })] },
    }
  })

  test('are given by value, by name, and by a file, of which the file comes last', async () => {
    const file = join(dir, 'env')
    await writeFile(file, '# words\nA=of the file\nB="with = and # in it"\n\nexport C=3\n')
    const env = { ...api.env(), TOKEN: 'hush', EMPTY: '' }
    const argv = ['capsule', 'create', '--env-file', file, '-e', 'A=b=c', '--env', 'TOKEN', '--env', 'EMPTY']
    expect(await api.wrenn(argv, { env })).toMatchObject({ code: 0, err: '' })
    expect(lastJson()['envs']).toEqual({ A: 'b=c', B: 'with = and # in it', C: '3', TOKEN: 'hush', EMPTY: '' })
  })

  test('of a fork take the place of those of its source, and are left out where none are given', async () => {
    await api.wrenn(['fork', 'cl-1', '-e', 'A=b'])
    expect(lastJson()).toEqual({ count: 1, envs: { A: 'b' } })
    await api.wrenn(['fork', 'cl-1'])
    expect(lastJson()).toEqual({ count: 1 })
    await api.wrenn(['capsule', 'create'])
    expect(lastJson()).toEqual({ template: 'minimal' })
  })

  test.each([
    [['--env', 'NOT_SET_HERE'], 'NOT_SET_HERE is not set here'],
    [['--env', '=x'], 'must have a name'],
  ])('that make no sense (%j) are refused', async (words, said) => {
    const { code, err } = await api.wrenn(['capsule', 'create', ...words])
    expect([code, err]).toEqual([2, expect.stringContaining(said)])
    expect(api.asked).toEqual([])
  })

  test('of a file with a line that is none are refused without telling what it says', async () => {
    const file = join(dir, 'env')
    await writeFile(file, 'A=b\nhush\nC=d\n')
    const { code, err } = await api.wrenn(['fork', 'cl-1', '--env-file', file])
    expect([code, err]).toEqual([2, `error: ${file}: every line must be NAME=value.\n`])
    expect((await api.wrenn(['capsule', 'create', '--env-file', join(dir, 'none')])).code).toBe(1)
    expect(api.asked).toEqual([])
  })
})

describe('the network', () => {
  beforeEach(() => {
    api.script = {
      'POST /v1/capsules': { status: 201, json: capsuleBody() },
      'POST /v1/capsules/cl-1/fork': { status: 201, json: [capsuleBody({ id: 'cl-2' })] },
      'GET /v1/capsules/cl-1': { json: capsuleBody({ network: some }) },
      'PUT /v1/capsules/cl-1/network': { json: capsuleBody({ network: open }) },
    }
  })

  test('of a new capsule is what is said', async () => {
    await api.wrenn(['capsule', 'create', '--no-internet', '--allow', 'a.example', '--allow', 'b.example'])
    expect(lastJson()['network']).toEqual({ internet: false, allow: ['a.example', 'b.example'] })
    await api.wrenn(['capsule', 'create', '--deny', '203.0.113.0/24'])
    expect(lastJson()['network']).toEqual({ deny: ['203.0.113.0/24'] })
  })

  test('of a fork is that of its source but for what is said', async () => {
    await api.wrenn(['fork', 'cl-1', '--deny', 'x.example', '--no-allow'])
    expect(lastJson()).toEqual({ count: 1, network: { internet: false, allow: [], deny: ['x.example'] } })
    await api.wrenn(['fork', 'cl-1', '--no-allow', '--allow', 'a.example'])
    expect(lastJson()['network']).toEqual({ ...some, allow: ['a.example'] })
  })

  test.each([[[]], [['capsule']]])('is shown in words, and changed but for what is not said (%j)', async (prefix) => {
    const words = 'only *.example.org, 203.0.113.7, without bad.example.org\n'
    expect(await api.wrenn([...prefix, 'network', 'cl-1'])).toEqual({ code: 0, out: words, err: '' })
    expect(api.calls()).toEqual(['GET /v1/capsules/cl-1'])
    expect(await api.wrenn([...prefix, 'network', 'cl-1', '--internet'])).toMatchObject({ out: 'the internet\n' })
    expect(lastJson()).toEqual({ ...some, internet: true })
    const { out } = await api.wrenn([...prefix, 'network', 'cl-1', '--no-deny', '--json'])
    expect(lastJson()).toEqual({ ...some, deny: [] })
    expect(JSON.parse(out)).toEqual(open)
  })

  test('is not opened in part where it is open: that would mean nothing', async () => {
    api.script['GET /v1/capsules/cl-1'] = { json: capsuleBody({ network: open }) }
    for (const words of [
      ['capsule', 'create'],
      ['fork', 'cl-1'],
      ['network', 'cl-1'],
    ]) {
      const { code, err } = await api.wrenn([...words, '--allow', 'a.example'])
      expect([code, err]).toEqual([2, expect.stringContaining('add --no-internet')])
    }
    expect(api.calls().filter((call) => !call.startsWith('GET'))).toEqual([])
  })

  test('that the server does not give is said, and what it says to a wish for one', async () => {
    api.script['GET /v1/capsules/cl-1'] = { json: capsuleBody() }
    expect((await api.wrenn(['network', 'cl-1'])).out).toBe('nothing: the server gives no network\n')
    expect((await api.wrenn(['network', 'cl-1', '--json'])).out).toBe('null\n')
    api.script['PUT /v1/capsules/cl-1/network'] = refusal(400, 'invalid_request', 'There is none.')
    expect(await api.wrenn(['network', 'cl-1', '--internet'])).toMatchObject({
      code: 1,
      err: 'error: There is none. (invalid_request, req-1)\n',
    })
  })
})

describe('a capsule is shown', () => {
  const renewal = {
    at: '2030-01-01T00:00:00.000Z',
    renewed: ['random', 'clock', 'machine_id'] as const,
    clock_offset_ms: 0.4,
    hooks: [
      { name: '10-seed', exit_code: 0, timed_out: false, duration_ms: 12, output: 'done\n' },
      { name: '20-db\u001b[2J', exit_code: 1, timed_out: false, duration_ms: 30, output: 'first\nrefused\u0007\n' },
      { name: '30-slow', timed_out: true, duration_ms: 10_000, output: '' },
      { name: '40-none', timed_out: false, duration_ms: 0, output: '' },
    ],
  }
  const shown = async (given: object) => {
    api.script = { 'GET /v1/capsules/cl-1': { json: capsuleBody(given) } }
    return (await api.wrenn(['capsule', 'show', 'cl-1'])).out
  }

  test('with what its start renewed and what its programs did, without what would move the cursor', async () => {
    const out = await shown({ renewal: { ...renewal, renewed: [...renewal.renewed] } })
    expect(out).toMatch(/^renewed +random, clock \(0\.4 ms off\), machine id at 2030-01-01T00:00:00\.000Z$/m)
    expect(out).toMatch(
      /^hooks +10-seed exit code 0 \(12 ms\); 20-db\[2J exit code 1 \(30 ms\): refused; 30-slow did not end in time \(10000 ms\); 40-none could not be started \(0 ms\)$/m,
    )
  })

  test.each([
    [open, 'the internet'],
    [{ ...open, deny: ['a.example'] }, 'the internet, without a.example'],
    [{ ...open, allow: ['a.example'] }, 'the internet and a.example'],
    [{ ...open, internet: false }, 'nothing'],
    [{ internet: false, allow: [], deny: ['a.example'] }, 'nothing'],
    [{ internet: false, allow: ['a.example'], deny: [] }, 'only a.example'],
  ])('with its network %j in words', async (network, words) => {
    expect(await shown({ network })).toContain(`network       ${words}\n`)
  })

  test('without either where there is none', async () => {
    const out = await shown({})
    for (const word of ['network', 'renew', 'hooks']) expect(out).not.toContain(word)
  })
})
