import { createReadStream, type Stats } from 'node:fs'
import { lstat, opendir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { pack, type Header, type Pack } from 'tar-stream'

/**
 * A directory with all that it holds, without its own name, as a tar archive. Links are kept as they are; pipes, sockets and
 * devices are left out. Everything belongs to root.
 */
export function packDirectory(root: string, signal: AbortSignal): Readable {
  const archive = pack()
  const packing = packBelow(archive, root, '')
  packing.then(
    () => archive.finalize(),
    (error: unknown) => archive.destroy(error as Error),
  )
  return Readable.from(archive, { objectMode: false, signal })
}

async function packBelow(archive: Pack, root: string, below: string): Promise<void> {
  for await (const { name } of await opendir(join(root, below))) {
    const path = below ? `${below}/${name}` : name
    const stats = await lstat(join(root, path))
    await packOne(archive, { name: path, path: join(root, path), stats })
    if (stats.isDirectory()) await packBelow(archive, root, path)
  }
}

type Named = Partial<Header> & { name: string }

interface Found {
  name: string
  path: string
  stats: Stats
}

async function packOne(archive: Pack, { name, path, stats }: Found): Promise<void> {
  const header: Named = { name, mode: stats.mode & 0o7777, mtime: stats.mtime, uid: 0, gid: 0 }
  if (stats.isDirectory()) await put(archive, { ...header, type: 'directory' })
  else if (stats.isSymbolicLink()) await put(archive, { ...header, type: 'symlink', linkname: await readlink(path) })
  else if (stats.isFile()) await putFile(archive, { ...header, type: 'file', size: stats.size }, path)
}

function put(archive: Pack, header: Named): Promise<void> {
  return new Promise((resolve, reject) => {
    archive.entry(header, '', (error) => (error ? reject(error) : resolve()))
  })
}

/** A file that grows meanwhile is read to the size that it had; one that shrinks fails. */
async function putFile(archive: Pack, header: Named, path: string): Promise<void> {
  if (header.size === 0) return put(archive, header)
  await pipeline(createReadStream(path, { end: header.size! - 1 }), archive.entry(header))
}
