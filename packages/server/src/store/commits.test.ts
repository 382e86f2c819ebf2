import { expect, test } from 'vitest'
import { Commits } from './commits.js'

test('what was committed is told in the order in which it began, however its callers learn of it', () => {
  const commits = new Commits()
  const told: string[] = []
  const [a, b, c] = ['a', 'b', 'c'].map((name) => {
    const commit = commits.begin()
    commit.add(() => told.push(`${name}1`))
    commit.add(() => told.push(`${name}2`))
    return commit
  })
  c!.done()
  expect(told).toEqual([])
  a!.done()
  expect(told).toEqual(['a1', 'a2'])
  b!.undone()
  expect(told).toEqual(['a1', 'a2', 'c1', 'c2'])
})
