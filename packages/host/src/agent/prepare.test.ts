/** What is asked of a guest before a capture, and what of its programs' doing is told. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { source, testGuest, type TestGuest } from '../testing/guest.js'
import { answer } from '../vmm/fake/routes/index.js'
import { renew } from './greet.js'
import { prepare } from './prepare.js'

const MS = 5000
const signal = () => AbortSignal.timeout(10_000)
let fixture: TestGuest
let received: number
beforeEach(() => {
  received = 0
  fixture = testGuest((stream, headers) => {
    if (headers[':path'] === '/v1/prepare') stream.on('data', (chunk: Buffer) => (received += chunk.length))
    void answer(fixture.inside, stream, headers)
  })
})
afterEach(() => fixture.end())

const hook = (path: string, script: string) => fixture.guest.writeFile(`/etc/wrenn/${path}`, source(script), signal())
const run = async (envs?: Record<string, string>) => {
  const { output } = await fixture.guest.exec({ cmd: 'true', args: [], envs }, signal())
  for await (const _ of output);
}

test('the buffers on the way are rinsed where variables went through them since the last time, and only there', async () => {
  const rinsed = async () => {
    received = 0
    await prepare(fixture.channel, MS)
    return received
  }
  const MiB = 1024 * 1024
  expect(await rinsed(), 'of a new channel nobody knows').toBe(10 * MiB)
  await run()
  await run({})
  expect(await rinsed()).toBe(0)
  await run({ SECRET: 'x' })
  expect(await rinsed()).toBe(10 * MiB)
  expect(await rinsed()).toBe(0)
})

test('hooks run in their order and are told', async () => {
  await hook('before-snapshot.d/20-b', 'echo b')
  await hook('before-snapshot.d/10-a', '#!/bin/sh\necho a')
  const ran = await prepare(fixture.channel, MS)
  expect(ran.map(({ name, exit_code, output }) => [name, exit_code, output])).toEqual([
    ['10-a', 0, 'a\n'],
    ['20-b', 0, 'b\n'],
  ])
})

test('a hook that fails fails it, and what was to be rinsed stays to be', async () => {
  await prepare(fixture.channel, MS)
  await hook('before-snapshot.d/10-a', 'exit 4')
  await run({ SECRET: 'x' })
  const message = 'The hook /etc/wrenn/before-snapshot.d/10-a failed (4)'
  await expect(prepare(fixture.channel, MS)).rejects.toMatchObject({ code: 'agent_error', message })
  expect(fixture.channel.hasResidue).toBe(true)
})

test('what fails after a restore is told with the renewal', async () => {
  await hook('after-restore.d/1', 'exit 2')
  await hook('after-restore.d/2', 'echo fine')
  const { hooks } = await renew(fixture.channel, { capsuleId: 'cl-1', template: 'minimal' })
  expect(hooks.map(({ name, exit_code, output }) => [name, exit_code, output])).toEqual([
    ['1', 2, ''],
    ['2', 0, 'fine\n'],
  ])
})

test('an agent that is silent is given up long before hooks would have to be', async () => {
  fixture.end()
  fixture = testGuest((stream) => void stream.resume())
  const began = performance.now()
  const doubt = { afterMs: 10, answerMs: 50 }
  await expect(prepare(fixture.channel, MS, doubt)).rejects.toMatchObject({ code: 'agent_error' })
  expect(performance.now() - began).toBeLessThan(MS)
})

test('one that answers, and is busy with hooks, is waited for', async () => {
  fixture.end()
  let release = () => {}
  let asked = 0
  fixture = testGuest((stream, headers) => {
    if (headers[':path'] === '/v1/health' && ++asked === 1) release()
    if (headers[':path'] !== '/v1/prepare') return void answer(fixture.inside, stream, headers)
    stream.resume()
    release = () => void answer(fixture.inside, stream, headers)
  })
  expect(await prepare(fixture.channel, MS, { afterMs: 10, answerMs: MS })).toEqual([])
  expect(asked).toBe(1)
})
