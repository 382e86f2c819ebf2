import { expect, test } from 'vitest'
import { chooseTemplates } from './templates.js'

test('without a choice all are offered, and what takes long is built later', async () => {
  expect(await chooseTemplates()).toEqual({ first: ['minimal', 'base-python'], later: ['code-runner-beta'] })
})

test('what is not chosen is left out', async () => {
  expect(await chooseTemplates(['minimal', 'base-python'])).toMatchObject({ later: [] })
  expect(await chooseTemplates(['code-runner-beta', 'minimal'])).toEqual({
    first: ['minimal'],
    later: ['code-runner-beta'],
  })
})

test('a name that there is not stops the start, with those that there are', async () => {
  await expect(chooseTemplates(['minimal', 'base-pyhton'])).rejects.toThrow(/"base-pyhton" .*base-python/)
})
