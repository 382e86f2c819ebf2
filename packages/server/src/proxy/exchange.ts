import type { IncomingMessage, ServerResponse } from 'node:http'
import { toProblem } from '@wrenn/wire'

/** How long what a client still sends is thrown away, in milliseconds, so that it reads the answer to what it began. */
const LINGER_MS = 5_000

/** A request and its answer, until both have ended or the client is gone. */
export class Exchange {
  /** Resolves when it has ended. */
  readonly ended: Promise<void>
  readonly #gone = new AbortController()
  readonly #work: (() => void)[] = []

  constructor(
    readonly request: IncomingMessage,
    readonly answer: ServerResponse,
    readonly isUpgrade: boolean,
  ) {
    const { socket } = request
    this.ended = new Promise((resolve) => {
      this.onEnd(resolve)
    })
    const end = () => {
      answer.off('close', end)
      socket.off('close', end)
      this.#end()
    }
    answer.once('close', end)
    // An answer that waits behind another is not told that its client left.
    socket.once('close', end)
    if (socket.destroyed) end()
  }

  get hasEnded(): boolean {
    return this.#gone.signal.aborted
  }

  /** Aborts when it has ended. */
  get signal(): AbortSignal {
    return this.#gone.signal
  }

  /** Registers what is done when it has ended; at once, when it has. */
  onEnd = (done: () => void): void => {
    if (this.hasEnded) done()
    else this.#work.push(done)
  }

  /** Answers with an error in plain text; when the answer has begun already, the client sees it break off. */
  refuse(error: unknown): void {
    if (this.hasEnded) return
    if (this.answer.headersSent) return void this.answer.destroy()
    const { status, code, message, hint, retryAfterSec } = toProblem(error)
    const text = `${hint ? `${message} ${hint}` : message}\n`
    this.answer.writeHead(status, {
      'content-type': 'text/plain; charset=utf-8',
      'content-length': Buffer.byteLength(text),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...(retryAfterSec === undefined ? {} : { 'retry-after': String(retryAfterSec) }),
      ...(code === 'unauthorized' ? { 'www-authenticate': 'Wrenn-Token' } : {}),
    })
    this.answer.end(text)
  }

  #end(): void {
    this.#gone.abort()
    for (const done of this.#work.splice(0)) done()
    const { request } = this
    if (request.complete || request.socket.destroyed || this.isUpgrade) return
    request.unpipe()
    request.resume()
    const cut = setTimeout(() => request.socket.destroy(), LINGER_MS).unref()
    request.once('close', () => clearTimeout(cut))
  }
}
