/** Who reads what, and for how long. */
import { eventSchema } from '@wrenn/wire'
import { beforeEach, describe, expect, test } from 'vitest'
import { TestClock } from '../../testing/test-clock.js'
import { Feed, type Event } from './feed.js'

let clock: TestClock
let feed: Feed
let cuts: number
beforeEach(() => {
  clock = new TestClock()
  feed = new Feed('aa', clock)
  cuts = 0
})

const event = (id: string): Event => ({
  event: 'capsule.create',
  resource: { id, type: 'capsule' },
  actor: { type: 'system' },
})
const publish = (count: number) => {
  for (let i = 1; i <= count; i++) feed.publish(event(String(i)))
}
const subscribe = (lastId?: string) => feed.subscribe({ teamId: 'team-1', lastId, cut: () => void cuts++ })

/** The next message: its id, and its event; or the comment. */
async function next(messages: AsyncGenerator<string>) {
  const { value, done } = await messages.next()
  if (done) return undefined
  const [, id, data] = /id: (\S+)\ndata: (.+)\n\n$/.exec(value) ?? []
  return data === undefined ? value : { id, ...eventSchema.strict().parse(JSON.parse(data)) }
}

test('a reader hears what happens after it came, numbered', async () => {
  publish(2)
  const { messages } = subscribe()
  publish(1)
  expect(await next(messages)).toMatchObject({ id: 'aa-2', event: 'connected', resource: { id: 'team-1' } })
  expect(await next(messages)).toMatchObject({ id: 'aa-3', event: 'capsule.create', resource: { id: '1' } })
  const waits = next(messages)
  publish(1)
  expect(await waits).toMatchObject({ id: 'aa-4' })
})

test('one that comes back hears what it has missed, and is told when that is not known any more', async () => {
  publish(1005)
  const { messages } = subscribe('aa-1003')
  expect(await next(messages)).not.toHaveProperty('metadata')
  expect(await next(messages)).toMatchObject({ id: 'aa-1004' })
  expect(await next(messages)).toMatchObject({ id: 'aa-1005' })
  for (const id of ['aa-4', 'bb-1003', 'aa-1006', 'nonsense', '']) {
    const again = subscribe(id)
    expect(await next(again.messages), id).toMatchObject({ id: 'aa-1005', metadata: { missed: 'unknown' } })
  }
  const oldest = subscribe('aa-5')
  expect(await next(oldest.messages)).not.toHaveProperty('metadata')
  expect(await next(oldest.messages)).toMatchObject({ id: 'aa-6' })
})

test('a comment is sent when nothing was for half a minute', async () => {
  const { messages } = subscribe()
  await next(messages)
  const waits = next(messages)
  clock.advance(29)
  publish(1)
  expect(await waits).toMatchObject({ id: 'aa-1' })
  const comment = next(messages)
  clock.advance(30.5)
  expect(await comment).toMatch(/^:.*\n\n$/)
  expect(clock.waiting()).toEqual([])
})

describe('one that is too slow', () => {
  test('is cut when what it has not read is forgotten, and no sooner', async () => {
    const { messages } = subscribe()
    await next(messages)
    publish(1000)
    expect([cuts, feed.readers]).toEqual([0, 1])
    publish(1)
    expect([cuts, feed.readers]).toEqual([1, 0])
    expect(await next(messages)).toBeUndefined()
  })

  test('is cut sooner when events are large', () => {
    subscribe()
    const large = { ...event('x'), error: 'x'.repeat(100_000) }
    for (let i = 0; i < 41; i++) feed.publish(large)
    expect(cuts).toBe(0)
    feed.publish(large)
    expect(cuts).toBe(1)
  })

  test('takes nothing from others', async () => {
    subscribe()
    const { messages } = subscribe()
    await next(messages)
    for (let i = 0; i < 1500; i++) {
      publish(1)
      await next(messages)
    }
    expect([cuts, feed.readers]).toEqual([1, 1])
  })
})

test('a reader that leaves is forgotten, wherever it is', async () => {
  const unread = subscribe()
  const waiting = subscribe()
  await next(waiting.messages)
  const waits = next(waiting.messages)
  for (const { end } of [unread, waiting]) end()
  expect(await waits).toBeUndefined()
  expect(feed.readers).toBe(0)
  expect(clock.waiting()).toEqual([])
})

test('a hundred may read at once', () => {
  const all = Array.from({ length: 100 }, () => subscribe())
  expect(() => subscribe()).toThrow(expect.objectContaining({ code: 'rate_limited' }))
  all[0]!.end()
  subscribe()
})
