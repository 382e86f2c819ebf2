import { Problem, type Guest } from '@wrenn/wire'
import { expect, test } from 'vitest'
import { TestClock } from '../testing/test-clock.js'
import { Stdin } from './stdin.js'

/** A program that takes a piece when it is told to. */
class Slow {
  readonly taken: string[] = []
  calls = 0
  ended = false
  #takes: (() => void)[] = []

  readonly guest = {
    writeStdin: async (_: string, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal) => {
      this.calls++
      for await (const chunk of chunks) {
        signal.throwIfAborted()
        await Promise.race([
          new Promise<void>((resolve) => this.#takes.push(resolve)),
          new Promise<void>((__, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
        ])
        this.taken.push(Buffer.from(chunk).toString())
      }
    },
    endStdin: async () => void (this.ended = true),
  } as unknown as Guest

  async take(): Promise<void> {
    await expect.poll(() => this.#takes.length).toBeGreaterThan(0)
    this.#takes.shift()!()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

function slow() {
  const program = new Slow()
  const failures: unknown[] = []
  const stdin = new Stdin({ guest: program.guest, selector: 'p', failed: async (error) => failures.push(error) })
  return { program, stdin, failures }
}

test('what waits is put together, and the end comes behind it', async () => {
  const { program, stdin, failures } = slow()
  for (const piece of ['a', 'b', 'c']) await stdin.write(Buffer.from(piece))
  await program.take()
  for (const piece of ['d', 'e']) await stdin.write(Buffer.from(piece))
  stdin.end()
  stdin.end()
  expect(program.ended).toBe(false)
  while (program.taken.join('').length < 5) await program.take()
  await expect.poll(() => program.ended).toBe(true)
  expect(program.taken.join('')).toBe('abcde')
  expect(program.taken.length).toBeLessThan(4)
  await stdin.write(Buffer.from('late'))
  expect(failures).toMatchObject([{ code: 'conflict' }])
})

test('whoever writes faster than the program reads waits', async () => {
  const { program, stdin } = slow()
  await stdin.write(Buffer.alloc(10))
  await stdin.write(Buffer.alloc(1024 * 1024))
  let hasRoom = false
  const written = stdin.write(Buffer.alloc(1)).then(() => (hasRoom = true))
  await new Promise((resolve) => setImmediate(resolve))
  expect(hasRoom).toBe(false)
  await program.take()
  await written
  stdin.drop()
})

test('a failure is told once, and nothing that waits is kept', async () => {
  const failures: unknown[] = []
  const writeStdin = async () => {
    throw new Problem('not_found', 'There is no such process.')
  }
  const guest = { writeStdin } as unknown as Guest
  const stdin = new Stdin({ guest, selector: 'p', failed: async (error) => failures.push(error) })
  await stdin.write(Buffer.alloc(2 * 1024 * 1024))
  expect(failures).toMatchObject([{ code: 'not_found' }])
})

test('what was written before its writer left is given a little time', async () => {
  const clock = new TestClock()
  const kept = slow()
  await kept.stdin.write(Buffer.from('last'))
  const left = kept.stdin.leave(clock)
  await kept.program.take()
  await left
  expect(kept.program.taken).toEqual(['last'])
  expect(clock.waiting()).toEqual([])

  const stuck = slow()
  await stuck.stdin.write(Buffer.from('last'))
  const given = stuck.stdin.leave(clock)
  clock.advance(11)
  await given
  expect([stuck.program.taken, stuck.failures]).toEqual([[], []])
})
