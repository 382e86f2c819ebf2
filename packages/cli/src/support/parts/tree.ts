import { lstat, opendir } from 'node:fs/promises'
import { join } from 'node:path'
import { nameOf } from '../known-names.js'
import type { Part } from '../part.js'

const MOST_LINES = 8_000

interface Walk {
  dir: string
  depth: number
  lines: string[]
  signal: AbortSignal
}

export const tree: Part = {
  name: 'tree',
  about: 'what is in the data directory: modes, owners, sizes, times; names only where Wrenn has given them',
  async collect({ dataDir, signal }) {
    const lines: string[] = [await lineOf(dataDir, dataDir, 0)]
    await walk({ dir: dataDir, depth: 1, lines, signal })
    return {
      entries: [{ name: 'tree.txt', content: `${lines.join('\n')}\n` }],
      leftOut: lines.length >= MOST_LINES ? [`what comes after ${MOST_LINES} lines of the tree`] : [],
    }
  },
}

async function walk({ dir, depth, lines, signal }: Walk): Promise<void> {
  const names: string[] = []
  try {
    for await (const { name } of await opendir(dir)) {
      if (names.push(name) >= MOST_LINES) break
    }
  } catch (error) {
    lines.push(`${'  '.repeat(depth)}(cannot be listed: ${String((error as NodeJS.ErrnoException).code)})`)
  }
  for (const name of names.sort()) {
    signal.throwIfAborted()
    if (lines.length >= MOST_LINES) return
    const path = join(dir, name)
    lines.push(await lineOf(path, nameOf(name), depth))
    const isDirectory = await lstat(path).then(
      (facts) => facts.isDirectory(),
      () => false,
    )
    if (isDirectory) await walk({ dir: path, depth: depth + 1, lines, signal })
  }
}

async function lineOf(path: string, shown: string, depth: number): Promise<string> {
  const head = `${'  '.repeat(depth)}${shown}`
  const facts = await lstat(path).catch((error: NodeJS.ErrnoException) => error)
  if (facts instanceof Error) return `${head}  (${facts.code})`
  const { mode, uid, gid, size, blocks, nlink, mtime } = facts
  const kind = facts.isDirectory() ? 'd' : facts.isSymbolicLink() ? 'l' : facts.isFile() ? '-' : 's'
  return `${head}  ${kind}${(mode & 0o7777).toString(8).padStart(4, '0')} ${uid}:${gid} ${size} B, ${blocks * 512} on disk, ${nlink} links, ${mtime.toISOString()}`
}
