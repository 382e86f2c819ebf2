import { beforeEach, expect, test } from 'vitest'
import { TestClock } from '../testing/test-clock.js'
import { Presence } from './presence.js'

let clock: TestClock
let presence: Presence
let cuts: string[]
beforeEach(() => {
  clock = new TestClock()
  presence = new Presence(clock)
  cuts = []
})

const enter = (name: string, keyId = 'key-1', expiresAt?: number) =>
  presence.enter({ keyId, expiresAt }, () => void cuts.push(name))

test('what is under way is cut when its key is revoked, and what is of other keys is not', () => {
  enter('a')
  enter('b')
  enter('c', 'key-2')
  presence.dismiss('key-1')
  expect(cuts).toEqual(['a', 'b'])
})

test('what has ended is not cut', () => {
  enter('a')()
  enter('b')
  presence.dismiss('key-1')
  expect(cuts).toEqual(['b'])
})

test('what began when its key was being revoked is cut at once', () => {
  presence.dismiss('key-1')
  enter('a')
  expect(cuts).toEqual(['a'])
})

test('what is under way is cut when its key expires, and nothing waits for that when it has ended', () => {
  const end = enter('a', 'key-1', clock.now() + 60_000)
  const other = enter('b', 'key-1', clock.now() + 60_000)
  end()
  clock.advance(59)
  expect(cuts).toEqual([])
  clock.advance(2)
  expect(cuts).toEqual(['b'])
  other()
  enter('c', 'key-1', clock.now() + 60_000)()
  expect(clock.waiting()).toEqual([])
})
