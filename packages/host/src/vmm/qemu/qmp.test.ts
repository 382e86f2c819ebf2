/** A QEMU that a guest has taken over. */
import { once } from 'node:events'
import { duplexPair, type Duplex } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Qmp } from './qmp.js'

const GREETING = '{"QMP": {"version": {}, "capabilities": []}}\n'
let [ours, theirs]: [Duplex, Duplex] = duplexPair()
beforeEach(() => {
  ;[ours, theirs] = duplexPair()
  theirs.on('error', () => {})
})
afterEach(() => {
  ours.destroy()
  theirs.destroy()
})

/** Greets, and answers commands by a function of their id. */
async function connected(answer: (id: number) => string): Promise<Qmp> {
  let text = ''
  theirs.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    const lines = text.split('\n')
    text = lines.pop()!
    for (const line of lines) {
      const { id, execute } = JSON.parse(line) as { id: number; execute: string }
      theirs.write(execute === 'qmp_capabilities' ? `{"return": {}, "id": ${id}}\n` : answer(id))
    }
  })
  theirs.write(GREETING)
  return Qmp.connect(ours, AbortSignal.timeout(5000))
}

test('nonsense between the answers is passed over', async () => {
  const nonsense = [
    '',
    'x',
    '[]',
    'null',
    '{"return": 1}',
    '{"return": 1, "id": 99}',
    '{"event": 5}',
    '{"event": "__proto__"}',
  ]
  const qmp = await connected((id) => `${nonsense.join('\n')}\n{"return": "right", "id": ${id}}\n`)
  expect(await qmp.run('x')).toBe('right')
})

test('an answer that never comes is waited for no longer than is said', async () => {
  const qmp = await connected(() => '{"event": "TICK"}\n')
  await expect(qmp.run('x', {}, 50)).rejects.toThrow('did not answer x in 50 ms')
})

test('a line without an end closes the connection instead of being kept', async () => {
  const qmp = await connected(() => '')
  let sent = 0
  const more = () => {
    while (!theirs.destroyed && theirs.write(Buffer.alloc(65_536, 'x'))) sent += 65_536
    theirs.once('drain', more)
  }
  more()
  await qmp.closed
  expect(sent).toBeLessThan(4 * 1024 * 1024)
  await expect(qmp.run('x')).rejects.toThrow('closed its control connection')
})

test('one that ends in the middle of a line fails what waits for it', async () => {
  const qmp = await connected(() => '{"return": ')
  const running = qmp.run('x')
  await once(ours, 'readable').catch(() => {})
  theirs.end()
  await expect(running).rejects.toThrow('closed its control connection')
})

test('one that had ended before it was listened to is gone at once', async () => {
  ours.destroy()
  await once(ours, 'close')
  await expect(Qmp.connect(ours, AbortSignal.timeout(5000))).rejects.toThrow('QEMU ended while it started')
})
