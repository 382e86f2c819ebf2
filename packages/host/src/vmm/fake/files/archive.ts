/** Directories of the fake guest as tar archives, and back. */
import { posix } from 'node:path'
import { FakeError } from '../failure.js'
import { absolute, type Tree } from './tree.js'

const BLOCK = 512

/** An archive of a directory's content, or of one file. */
export async function* pack(tree: Tree, given: string): AsyncGenerator<Buffer> {
  // Only the fake guest makes archives: what is in production needs no such library.
  const tar = await import('tar-stream')
  const path = absolute(given)
  const isFile = tree.stat(path).type === 'file'
  const base = isFile ? posix.dirname(path) : path
  const archive = tar.pack()
  for (const { path: at, type, mode } of isFile ? [tree.stat(path)] : tree.list(path, Infinity)) {
    const name = posix.relative(base, at)
    if (type === 'directory') archive.entry({ name: `${name}/`, type, mode })
    else archive.entry({ name, mode }, tree.read(at))
  }
  archive.finalize()
  yield* archive as AsyncIterable<Buffer>
}

/** Lays an archive out below a directory, which is made. */
export async function unpack(tree: Tree, given: string, archive: Buffer): Promise<void> {
  const tar = await import('tar-stream')
  const path = absolute(given)
  tree.makeDirs(path)
  if (!hasEnd(archive)) throw new FakeError('invalid', 'The archive has no end.')
  const entries = tar.extract()
  entries.on('error', () => {})
  entries.end(archive)
  try {
    for await (const entry of entries) {
      const { name, type } = entry.header
      if (name.startsWith('/') || name.split('/').includes('..'))
        throw new FakeError('invalid', `The archive has an entry "${name}".`)
      const chunks: Buffer[] = []
      for await (const chunk of entry as AsyncIterable<Buffer>) chunks.push(chunk)
      if (type === 'directory') tree.makeDirs(posix.join(path, name))
      else if (type === 'file') tree.write(posix.join(path, name), Buffer.concat(chunks))
    }
  } catch (error) {
    throw error instanceof FakeError ? error : new FakeError('invalid', 'This is no tar archive.')
  }
}

function hasEnd(archive: Buffer): boolean {
  for (let at = 0; at + BLOCK <= archive.length; at += BLOCK)
    if (archive.subarray(at, at + BLOCK).every((byte) => byte === 0)) return true
  return false
}
