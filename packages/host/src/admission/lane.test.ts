import { expect, test, vi } from 'vitest'
import { Lane } from './lane.js'

const crowded = { code: 'no_hosts_available', retryAfterSec: 5 }

/** Work that goes on until it is told to end. */
function work() {
  let end!: () => void
  const ended = new Promise<void>((resolve) => (end = resolve))
  return { run: vi.fn(() => ended), end }
}

test('so many wait for their turn, and one more is refused', async () => {
  const lane = new Lane({ what: 'starts', atOnce: 1, mostWaiting: 1, waitMs: 60_000 })
  const [first, second, third] = [work(), work(), work()]
  const runs = [lane.run(first.run), lane.run(second.run)]
  await expect(lane.run(third.run)).rejects.toMatchObject(crowded)
  expect(() => lane.assertRoom(1)).toThrow(expect.objectContaining(crowded))
  expect(second.run).not.toHaveBeenCalled()
  first.end()
  second.end()
  await Promise.all(runs)
  expect(third.run).not.toHaveBeenCalled()
  expect(() => lane.assertRoom(2)).not.toThrow()
  expect(() => lane.assertRoom(3)).toThrow(expect.objectContaining(crowded))
})

test('who has waited too long is refused, and is not begun later', async () => {
  const lane = new Lane({ what: 'starts', atOnce: 1, mostWaiting: 5, waitMs: 20 })
  const [first, late] = [work(), work()]
  const run = lane.run(first.run)
  await expect(lane.run(late.run)).rejects.toMatchObject(crowded)
  first.end()
  await run
  await lane.run(async () => {})
  expect(late.run).not.toHaveBeenCalled()
})

test('what fails gives its turn to the next', async () => {
  const lane = new Lane({ what: 'starts', atOnce: 1, mostWaiting: 1, waitMs: 60_000 })
  await expect(lane.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await lane.run(async () => 7)).toBe(7)
})
