/** Multipart uploads: a field `path` and a file `file`, streamed to where they go. */
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { MultipartFile } from '@fastify/multipart'
import { isProblem, MAX_PLAIN_WRITE, pathSchema, Problem } from '@wrenn/wire'
import type { FastifyRequest } from 'fastify'
import { check } from './call.js'

/** The parser's: how large a file may be is counted here. A path is the longest of the fields. */
const limits = { fileSize: Infinity, files: 2, fields: 16, parts: 18, fieldSize: 16 * 1024, headerPairs: 32 }

type Write = (path: string, content: AsyncIterable<Uint8Array>) => Promise<void>

/**
 * Reads an upload. With the path first the file is never held anywhere; the other way round it waits on the disk.
 *
 * @param limited whether the file may have no more than MAX_PLAIN_WRITE bytes
 * @throws Problem `invalid_request`, `too_large`, `insufficient_storage` or `host_unavailable` where it cannot wait, and what
 * `write` throws
 */
export async function readUpload(request: FastifyRequest, limited: boolean, write: Write): Promise<void> {
  if (!request.isMultipart()) {
    throw new Problem('invalid_request', 'The body must be multipart/form-data with a field "path" and a file "file".')
  }
  const waiting = new Waiting()
  let path: string | undefined
  let isWritten = false
  try {
    for await (const part of received(request.parts({ limits }))) {
      if (part.type === 'field' && part.fieldname === 'path') path = check(pathSchema, { path: part.value }).path
      else if (part.type === 'file' && part.fieldname === 'file' && !isWritten && !waiting.file) {
        if (path === undefined) await waiting.keep(part)
        else {
          await write(path, limited ? upTo(MAX_PLAIN_WRITE, received(part.file)) : received(part.file))
          isWritten = true
        }
      } else if (part.type === 'file') part.file.resume()
    }
    if (path === undefined) throw new Problem('invalid_request', 'path: the field is missing.')
    if (waiting.file) await write(path, createReadStream(waiting.file))
    else if (!isWritten) throw new Problem('invalid_request', 'file: the file is missing.')
  } catch (error) {
    // What is still to come is read and forgotten, so that the client gets to its answer.
    request.raw.unpipe()
    request.raw.resume()
    throw error
  } finally {
    await waiting
      .remove()
      .catch((err: unknown) => request.log.error({ err }, 'an upload is left in the temporary directory'))
  }
}

/** A file whose path is not known yet. */
class Waiting {
  file: string | undefined
  #dir: string | undefined

  async keep(part: MultipartFile): Promise<void> {
    try {
      this.#dir = await mkdtemp(join(tmpdir(), 'wrenn-upload-'))
      this.file = join(this.#dir, 'file')
      await pipeline(upTo(MAX_PLAIN_WRITE, received(part.file)), createWriteStream(this.file, { mode: 0o600 }))
    } catch (error) {
      throw isProblem(error) ? error : notKept(error)
    }
  }

  async remove(): Promise<void> {
    if (this.#dir) await rm(this.#dir, { recursive: true, force: true })
  }
}

/** The server's own disk is at fault. */
function notKept(cause: unknown): Problem {
  const isFull = ['ENOSPC', 'EDQUOT'].includes(String((cause as NodeJS.ErrnoException).code))
  return new Problem(isFull ? 'insufficient_storage' : 'host_unavailable', 'The server could not take in the file.', {
    cause,
    hint: 'Send the path before the file: then the server need not keep it.',
  })
}

async function* upTo(most: number, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let size = 0
  for await (const chunk of chunks) {
    size += chunk.length
    if (size > most) {
      throw new Problem('too_large', `The file has more than ${most} bytes.`, {
        hint: 'Use files/stream/write, with the path before the file.',
      })
    }
    yield chunk
  }
}

/** What a client sends, as the parser gives it: where that fails, the client is at fault. */
async function* received<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    for await (const item of items) yield item
  } catch (cause) {
    throw new Problem('invalid_request', 'The body is no well-formed multipart/form-data.', { cause })
  }
}
