/** One file, into a capsule or out of one. */
import { createReadStream, createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Files } from 'wrenn'

export interface Copy {
  from: string
  to: string
  signal: AbortSignal
}

export async function uploadFile(files: Files, { from, to, signal }: Copy): Promise<void> {
  await files.write(to, asWeb(createReadStream(from)), { signal })
}

/** The file appears under its name when all of it is there. */
export async function downloadFile(files: Files, { from, to, signal }: Copy): Promise<void> {
  const content = asNode(await files.readStream(from, { signal }))
  const part = `${to}.part`
  try {
    await pipeline(content, createWriteStream(part))
    await rename(part, to)
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
}

/** The global types of the web's streams and Node's own are not the same. */
export function asWeb(stream: Readable): ReadableStream<Uint8Array> {
  return Readable.toWeb(stream)
}

export function asNode(stream: ReadableStream<Uint8Array>): Readable {
  return Readable.fromWeb(stream)
}
