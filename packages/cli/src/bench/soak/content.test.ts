import { WrennNotFoundError, type Capsule } from 'wrenn'
import { expect, test } from 'vitest'
import { digestOf, matching } from './content.js'
import { Wrong } from './tally.js'

/** A capsule of which nothing but its files is asked. */
function holding(files: Record<string, string>): Capsule {
  const list = async (place: string) => {
    const paths = Object.keys(files).filter((path) => path.startsWith(`${place}/`))
    if (paths.length === 0) throw new WrennNotFoundError('There is no such folder.', { code: 'not_found', status: 404 })
    return paths.map((path) => ({ path, name: path.slice(place.length + 1), type: 'file' }))
  }
  return { id: 'cl-1', files: { list, readBytes: async (path: string) => Buffer.from(files[path]!) } } as never
}

const one = { '/dev/shm/soak/f0': 'one', '/root/soak/f1': '' }
const content = { '/dev/shm/soak/f0': digestOf(Buffer.from('one')), '/root/soak/f1': digestOf(Buffer.from('')) }

test('of several contents that a capsule may have, the one that it has is found', async () => {
  expect(await matching(holding(one), [{}, content])).toBe(content)
  expect(await matching(holding({}), [content, {}])).toEqual({})
})

test.each([
  ['a file that has another content', { ...one, '/root/soak/f1': 'x' }],
  ['a file too many', { ...one, '/root/soak/f2': '' }],
  ['a file too few', { '/dev/shm/soak/f0': 'one' }],
])('%s is wrong', async (_, files) => {
  await expect(matching(holding(files), [content])).rejects.toThrow(Wrong)
})
