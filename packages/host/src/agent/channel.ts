/** Requests to the agent over its connection, which is made anew when it was lost. */
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2'
import type { z } from 'zod'
import type { Vm } from '../vmm/types.js'
import { abortable, within } from '../wait.js'
import { link } from './link.js'
import { agentProblem, silent } from './shapes.js'
import { isProblem } from '@wrenn/wire'

/** How long the agent may take to begin an answer. */
const ANSWER_MS = 30_000
/** How long a running guest may take to link. */
const LINK_MS = 10_000
/** A JSON answer is held in memory; a longer one is refused. */
const MOST_JSON = 64 * 1024 * 1024

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: ClientHttp2Stream
}

export interface Ask {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  path: string
  json?: unknown
  signal: AbortSignal
}

export class AgentChannel {
  #session: ClientHttp2Session | undefined
  #linking: Promise<ClientHttp2Session> | undefined

  constructor(private readonly vm: Vm) {}

  /** Links, or fails when the agent has not answered in `ms`. Later requests link by themselves when they have to. */
  async connect(ms: number): Promise<void> {
    await this.#connected(ms)
  }

  /** Sends the request's head and lets `send` write its body; resolves with the beginning of a good answer. */
  async open({ method, path, signal }: Omit<Ask, 'json'>, send: (body: ClientHttp2Stream) => void): Promise<Answer> {
    signal.throwIfAborted()
    const session = await abortable(this.#connected(LINK_MS), signal)
    const body = session.request({ ':method': method, ':path': path })
    const onAbort = () => body.close()
    signal.addEventListener('abort', onAbort, { once: true })
    body.once('close', () => signal.removeEventListener('abort', onAbort))
    const head = new Promise<IncomingHttpHeaders & { ':status'?: number }>((resolve, reject) => {
      body.once('response', resolve)
      body.once('error', reject)
      body.once('close', () => reject(new Error('the connection was lost')))
    })
    body.on('error', () => {})
    try {
      send(body)
      const headers = await within(ANSWER_MS, head, () => new Error(`no answer in ${ANSWER_MS} ms`))
      const status = headers[':status'] ?? 0
      if (status >= 200 && status < 300) return { status, headers, body }
      throw agentProblem(await readJson(body))
    } catch (error) {
      body.close()
      signal.throwIfAborted()
      throw isProblem(error) ? error : silent(`${method} ${path.split('?')[0]}`, error)
    }
  }

  /** A request whose answer is JSON of a known shape. */
  async json<T extends z.ZodType>(ask: Ask, schema: T): Promise<z.output<T>> {
    const { body } = await this.open(ask, (stream) => stream.end(ask.json === undefined ? undefined : JSON.stringify(ask.json)))
    const parsed = schema.safeParse(await within(ANSWER_MS, readJson(body), () => silent('its answer does not end')))
    if (!parsed.success) throw agentProblem(undefined)
    return parsed.data
  }

  /** A request whose answer has no content. */
  async done(ask: Ask): Promise<void> {
    const { body } = await this.open(ask, (stream) => stream.end(ask.json === undefined ? undefined : JSON.stringify(ask.json)))
    body.resume()
  }

  /** Ends the connection. */
  close(): void {
    this.#session?.destroy()
  }

  async #connected(ms: number): Promise<ClientHttp2Session> {
    if (this.#session && !this.#session.closed && !this.#session.destroyed) return this.#session
    this.#linking ??= link(this.vm, AbortSignal.timeout(ms))
      .catch((error: unknown) => Promise.reject(silent('connecting', error)))
      .finally(() => (this.#linking = undefined))
    return (this.#session = await this.#linking)
  }
}

async function readJson(body: ClientHttp2Stream): Promise<unknown> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MOST_JSON) throw new Error(`an answer of more than ${MOST_JSON} bytes`)
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    return undefined
  }
}
