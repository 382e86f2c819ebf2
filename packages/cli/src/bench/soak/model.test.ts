import type { Capsule } from 'wrenn'
import { beforeEach, expect, test } from 'vitest'
import { Random } from '../random.js'
import { Model } from './model.js'

const random = new Random(7)
const capsule = (id: string) => ({ id }) as Capsule
let model: Model
beforeEach(() => {
  model = new Model({ capsules: 2, templates: 1 })
})

test('there is room until as many capsules are there or being made as there may be', () => {
  model.add(capsule('one'), {})
  const free = model.reserve(1)
  expect(model.room).toBe(0)
  free()
  expect(model.room).toBe(1)
})

test('a capsule that somebody works on is taken by nobody else', () => {
  const known = model.add(capsule('one'), {})
  expect(model.takeCapsule(random, true)).toBeUndefined()
  expect(model.takeCapsule(random, false)).toBe(known)
  expect(model.takeCapsule(random, false)).toBeUndefined()
  known.isBusy = false
  expect(model.takeCapsule(random, false)).toBe(known)
})

test('a template is started from once it is there for sure, and while it is overwritten', () => {
  const template = model.newTemplate()!
  expect(model.newTemplate()).toBeUndefined()
  template.meant.push({ a: '1' })
  expect(model.anyTemplate(random)).toBeUndefined()
  template.isBusy = false
  expect(model.anyTemplate(random)).toBe(template)
  expect(model.takeTemplate(random)).toBe(template)
  template.meant.push({ a: '2' })
  expect(model.anyTemplate(random)).toBe(template)
})
