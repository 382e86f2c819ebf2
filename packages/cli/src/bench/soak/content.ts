/** The files of capsules: what is written, and whether what is found is what was written. */
import { createHash } from 'node:crypto'
import { WrennNotFoundError, type Capsule } from 'wrenn'
import type { Random } from '../random.js'
import type { Content } from './model.js'
import { Wrong } from './tally.js'

/** In memory, and on the disk. */
const places = ['/dev/shm/soak', '/root/soak'] as const
const FILES = 3
/** Mostly small, now and then more than one chunk of anything. */
const sizes = [
  [1, 0],
  [6, 4_000],
  [2, 200_000],
] as const

export interface Written {
  path: string
  bytes: Buffer
  digest: string
}

export function anyFile(random: Random): Written {
  const path = `${random.pick(places)}/f${random.below(FILES)}`
  const size = random.weighted(sizes)
  const bytes = random.bytes(size === 0 ? 0 : 1 + random.below(size))
  return { path, bytes, digest: digestOf(bytes) }
}

export function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Reads all files of a capsule. */
export async function contentOf({ files }: Capsule): Promise<Content> {
  const content: Record<string, string> = {}
  for (const place of places) {
    const entries = await files.list(place).catch((error: unknown) => {
      if (error instanceof WrennNotFoundError) return []
      throw error
    })
    // A write that was cut off may have left what is no file of ours yet.
    for (const { path, name } of entries.filter(({ type }) => type === 'file'))
      if (/^f\d$/.test(name)) content[path] = digestOf(await files.readBytes(path))
  }
  return content
}

/** The one of the contents that a capsule has. @throws {Wrong} when it has another */
export async function matching(capsule: Capsule, may: readonly Content[]): Promise<Content> {
  const found = await contentOf(capsule)
  const match = may.find((content) => areSame(content, found))
  if (match) return match
  throw new Wrong(`${capsule.id} has ${shown(found)} where it should have ${may.map(shown).join(' or ')}`)
}

function areSame(one: Content, other: Content): boolean {
  const paths = Object.keys(one)
  return paths.length === Object.keys(other).length && paths.every((path) => one[path] === other[path])
}

function shown(content: Content): string {
  const entries = Object.entries(content).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([path, digest]) => `${path}: ${digest.slice(0, 8)}`).join(', ')}}`
}
