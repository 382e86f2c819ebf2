import { expect, test } from 'vitest'
import { Crowd } from './crowd.js'

test('so many may be with one capsule, and who leaves makes room', () => {
  const crowd = new Crowd(2)
  const leave = crowd.enter('a')
  crowd.enter('a')
  expect(() => crowd.enter('a')).toThrow(expect.objectContaining({ status: 503 }) as Error)
  crowd.enter('b')
  leave()
  crowd.enter('a')
  expect(() => crowd.enter('a')).toThrow()
})
