import type { Image } from '@wrenn/host'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { buildLater, type BuildLater } from './later.js'
import { readSettings } from './settings.js'

const image = (name: string) => ({ id: `${name}-1`, name }) as Image

/** What happens, in its order, when these are built so. */
async function happens(
  templates: string[],
  buildOne: NonNullable<BuildLater['buildOne']>,
  signal = new AbortController().signal,
): Promise<string[]> {
  const seen: string[] = []
  const box = {
    offer: async ({ name }: Image) => void seen.push(`offered ${name}`),
    giveUp: (name: string) => void seen.push(`given up ${name}`),
  }
  const tell = (text: string) => void seen.push(text)
  const log = pino({ level: 'silent' })
  await buildLater({ settings: readSettings({}, 0), box, log, templates, tell, buildOne, waitsMs: [1] }, signal)
  return seen
}

test('what is there already is offered without a word', async () => {
  const seen = await happens(['a', 'b'], async ({ templates }) => templates.map(image))
  expect(seen).toEqual(['offered a', 'offered b'])
})

test('the steps of a build are told, and it leaves the processors to others', async () => {
  const seen = await happens(['a'], async ({ templates, onStep, isGentle }) => {
    onStep?.(`gentle: ${isGentle}`)
    return templates.map(image)
  })
  expect(seen).toEqual(['Platform templates: gentle: true', 'offered a'])
})

test('one that fails is told and tried again', async () => {
  let tries = 0
  const seen = await happens(['a'], async ({ templates }) => {
    if (tries++ === 0) throw new Error('no network')
    return templates.map(image)
  })
  expect(seen).toEqual([
    'The template a could not be made: no network',
    expect.stringContaining('tried again'),
    'offered a',
  ])
})

test('one that fails again and again is given up, and the next is built', async () => {
  const seen = await happens(['bad', 'good'], async ({ templates }) => {
    if (templates[0] === 'bad') throw new Error('no network')
    return templates.map(image)
  })
  expect(seen.filter((text) => text.includes('no network'))).toHaveLength(2)
  expect(seen.slice(-2)).toEqual(['given up bad', 'offered good'])
})

test('when the server stops, nothing is told of what breaks off, and nothing more is built', async () => {
  const stopping = new AbortController()
  const built: string[] = []
  const seen = await happens(
    ['a', 'b'],
    async ({ templates }) => {
      built.push(...templates)
      stopping.abort()
      throw new Error('aborted')
    },
    stopping.signal,
  )
  expect([seen, built]).toEqual([[], ['a']])
})
