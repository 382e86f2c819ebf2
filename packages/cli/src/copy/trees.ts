/** A directory with all that it holds, into a capsule or out of one: one archive, one request. */
import type { Files } from 'wrenn'
import { asNode, asWeb, type Copy } from './files.js'
import { packDirectory } from './pack.js'
import { unpackInto } from './unpack.js'

/** Lays out what a directory holds below another one inside, which is made. */
export async function uploadTree(files: Files, { from, to, signal }: Copy): Promise<void> {
  const archive = packDirectory(from, signal)
  try {
    await files.writeTar(to, asWeb(archive), { signal })
  } catch (error) {
    // What could not be read here looks like a lost connection there.
    throw archive.errored ?? error
  } finally {
    archive.destroy()
  }
}

/** Lays out what a directory inside holds below one here, which is made. */
export async function downloadTree(files: Files, { from, to, signal }: Copy): Promise<void> {
  await unpackInto(to, asNode(await files.readTar(from, { signal })), signal)
}
