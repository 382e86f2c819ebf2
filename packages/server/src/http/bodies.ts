/** How bodies are read: as a whole, as a form that is taken apart, or as a stream. */
import type { Readable } from 'node:stream'
import multipart from '@fastify/multipart'
import { Problem, type Route } from '@wrenn/wire'
import type { FastifyInstance, FastifyRequest } from 'fastify'

const FORM = /^multipart\/form-data\s*;/i
const WHOLE = 'application/octet-stream'
/** What the bodies are called here that are not read before their handler runs. */
const STREAM = 'application/x-stream'

export async function addParsers(app: FastifyInstance): Promise<void> {
  // Bodies are read as they are and parsed by the handlers, whatever the content type says.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body))
  app.addContentTypeParser(STREAM, (_, __, done) => done(null))
  await app.register(multipart)
}

/** What a client calls its body is no reason to refuse it here: only a form that is to be taken apart keeps its type. */
export function typeIgnored({ body }: Route) {
  return async ({ raw: { headers } }: FastifyRequest): Promise<void> => {
    const { 'content-type': type } = headers
    if (body?.kind === 'bytes') headers['content-type'] = STREAM
    else if (type !== undefined && !(body?.kind === 'multipart' && FORM.test(type))) headers['content-type'] = WHOLE
  }
}

/**
 * Gives a body to `use` as it comes, no faster than that takes it.
 * @throws Problem `invalid_request` when the client hangs up in the middle, and what `use` throws
 */
export async function readBytes(
  { raw }: FastifyRequest,
  use: (chunks: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  try {
    await use(received(raw))
  } finally {
    // What is still to come is read and forgotten, so that the client gets to its answer.
    raw.resume()
  }
}

async function* received(body: Readable): AsyncGenerator<Uint8Array> {
  try {
    // Left early it stays open: the answer goes over the same connection.
    yield* body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
  } catch (cause) {
    throw new Problem('invalid_request', 'The body broke off.', { cause })
  }
}
