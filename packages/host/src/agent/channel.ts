/** Requests to the agent over its connection, which is made anew when it was lost. */
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2'
import type { z } from 'zod'
import { isProblem } from '@wrenn/wire'
import type { Vm } from '../vmm/types.js'
import { abortable, within } from '../wait.js'
import { keepOnlyWhatCame, wholeBody } from './body.js'
import { link } from './link.js'
import { agentProblem, parsed, silent } from './shapes.js'

/** How long the agent may take to begin an answer, and to end one that is held in memory. */
export const ANSWER_MS = 30_000
/** How long a running guest may take to link. */
const LINK_MS = 10_000
/** A JSON answer is held in memory; a longer one is refused. */
const MOST_JSON = 16 * 1024 * 1024
/** All that are held of one capsule at once. */
const MOST_HELD = 64 * 1024 * 1024
/** The same for what should be a few words, or nothing. */
const MOST_WORDS = 64 * 1024

export interface Answer {
  headers: IncomingHttpHeaders
  body: ClientHttp2Stream
}

export interface Ask {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  path: string
  json?: unknown
  signal: AbortSignal
  /** Whether the answer may take as long as it likes, since it is up to a program in the guest. */
  isEndless?: boolean
}

/** Sends a request's body. The time for the answer runs from when it resolves; an answer before that counts too. */
export type Send = (body: ClientHttp2Stream) => void | Promise<void>

export class AgentChannel {
  #session: ClientHttp2Session | undefined
  #linking: Promise<ClientHttp2Session> | undefined
  #held = 0
  /** Whether secrets may still stand in what bytes go through in the guest; of one that was taken up again, nobody knows. */
  hasResidue = true

  constructor(private readonly vm: Vm) {}

  /** Links, or fails when the agent has not answered in `ms`. Later requests link by themselves when they have to. */
  async connect(ms: number): Promise<void> {
    await this.#connected(ms)
  }

  /**
   * Sends a request; resolves with the beginning of a good answer, whose body is to be read or destroyed. Aborting resets
   * the request, also later.
   */
  async open(ask: Ask, send: Send = sendJson(ask)): Promise<Answer> {
    const { method, path, signal } = ask
    signal.throwIfAborted()
    const session = await abortable(this.#connected(LINK_MS), signal)
    let body: ClientHttp2Stream | undefined
    try {
      body = session.request({ ':method': method, ':path': path }, { endStream: false })
      keepOnlyWhatCame(body)
      resetOnAbort(body, signal)
      const headers = await headOf(body, send, ask.isEndless ? Infinity : ANSWER_MS)
      const status = headers[':status'] ?? 0
      if (status >= 200 && status < 300) return { headers, body }
      throw agentProblem(await wholeBody(body, { most: MOST_WORDS, ms: ANSWER_MS }))
    } catch (error) {
      // Not `close`: that would first send an end, and what was sent so far would count as the whole.
      body?.destroy(new Error('the request was given up'))
      throw failureOf(ask, error)
    }
  }

  /** A request whose answer is JSON of a known shape. */
  async json<T extends z.ZodType>(ask: Ask, schema: T, send?: Send): Promise<z.output<T>> {
    const { body } = await this.open(ask, send)
    const onHeld = (bytes: number) => this.#hold(bytes)
    const whole = await wholeBody(body, { most: MOST_JSON, ms: ANSWER_MS, onHeld }).catch((error: unknown) =>
      Promise.reject(failureOf(ask, error)),
    )
    return parsed(schema, whole)
  }

  /** A request whose answer has no content. */
  async done(ask: Ask, send?: Send): Promise<void> {
    const { body } = await this.open(ask, send)
    await wholeBody(body, { most: MOST_WORDS, ms: ANSWER_MS }).catch((error: unknown) =>
      Promise.reject(failureOf(ask, error)),
    )
  }

  /** Ends the connection. */
  close(): void {
    this.#session?.destroy()
  }

  #hold(bytes: number): void {
    if (this.#held + bytes > MOST_HELD) throw new Error(`answers of more than ${MOST_HELD} bytes at once`)
    this.#held += bytes
  }

  async #connected(ms: number): Promise<ClientHttp2Session> {
    if (this.#session && !this.#session.closed && !this.#session.destroyed) return this.#session
    // One that the agent wants to end, but has not, would keep the ports.
    this.#session?.destroy()
    this.#linking ??= link(this.vm, AbortSignal.timeout(ms))
      .catch((error: unknown) => Promise.reject(silent('connecting', error)))
      .finally(() => (this.#linking = undefined))
    return (this.#session = await this.#linking)
  }
}

function sendJson({ json }: Ask): Send {
  return (body) => void body.end(json === undefined ? undefined : JSON.stringify(json))
}

/** The first cause of a failure: the caller's own wish, what the agent said, or its silence. */
function failureOf({ method, path, signal }: Ask, error: unknown): Error {
  if (signal.aborted) return signal.reason as Error
  return isProblem(error) ? error : silent(`${method} ${path.split('?')[0]}`, error)
}

function resetOnAbort(body: ClientHttp2Stream, signal: AbortSignal): void {
  const onAbort = () => body.destroy(signal.reason as Error)
  signal.addEventListener('abort', onAbort, { once: true })
  body.once('close', () => signal.removeEventListener('abort', onAbort))
  body.on('error', () => {})
}

type Head = IncomingHttpHeaders & { ':status'?: number }

async function headOf(body: ClientHttp2Stream, send: Send, ms: number): Promise<Head> {
  const head = new Promise<Head>((resolve, reject) => {
    body.once('response', resolve)
    body.once('error', reject)
    body.once('close', () => reject(new Error('the connection was lost')))
  })
  const inTime = async () => {
    await send(body)
    return ms === Infinity ? head : within(ms, head, () => new Error(`no answer in ${ms} ms`))
  }
  head.catch(() => {})
  return Promise.race([head, inTime()])
}
