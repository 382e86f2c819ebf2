/** Makes one file of a bundle. */
import { open, rm } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { pack } from 'tar-stream'
import type { Entry } from './part.js'

/** Writes a .tar.gz for its owner alone. @returns its size in bytes. @throws when the file is there already */
export async function writeBundle(file: string, entries: readonly Entry[], folder: string): Promise<number> {
  const archive = pack()
  for (const { name, content } of entries) archive.entry({ name: `${folder}/${name}`, mode: 0o600 }, content)
  archive.finalize()
  const bytes = await promisify(gzip)(await buffer(archive))
  const handle = await open(file, 'wx', 0o600)
  try {
    await handle.writeFile(bytes)
  } catch (error) {
    await rm(file, { force: true })
    throw error
  } finally {
    await handle.close()
  }
  return bytes.length
}
