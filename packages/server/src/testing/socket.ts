import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'
import type { Serving } from './serve.js'

// Tests look into messages freely.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Said = any

interface Dial {
  /** Undefined: the server's own. Empty: none. */
  key?: string
  headers?: Record<string, string>
  /** Does not answer pings. */
  isMute?: boolean
}

/** How a server answered instead of taking a WebSocket. */
export interface Refused {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: Said
}

/** A client's end of a WebSocket, for tests: messages in their order. */
export class Socket {
  readonly ws: WebSocket
  readonly #got: (object | Buffer)[] = []
  #wake: () => void = () => {}
  /** Its code, once it has closed. */
  readonly closed: Promise<number>

  constructor(
    on: Pick<Serving, 'url' | 'key'>,
    path: string,
    { key = on.key, headers = {}, isMute = false }: Dial = {},
  ) {
    this.ws = new WebSocket(on.url.replace('http', 'ws') + path, {
      autoPong: !isMute,
      headers: { ...(key ? { 'x-api-key': key } : {}), ...headers },
    })
    this.ws.on('message', (data: Buffer, isBinary) => {
      this.#got.push(isBinary ? data : (JSON.parse(data.toString()) as object))
      this.#wake()
    })
    this.ws.on('error', () => {})
    this.closed = new Promise((resolve) => this.ws.once('close', resolve))
    void this.closed.then(() => this.#wake())
  }

  async open(): Promise<this> {
    await once(this.ws, 'open')
    return this
  }

  /** The answer of a server that does not take it. */
  async refused(): Promise<Refused> {
    const [, response] = (await once(this.ws, 'unexpected-response')) as [unknown, IncomingMessage]
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk as Buffer)
    return {
      status: response.statusCode!,
      headers: response.headers,
      body: JSON.parse(Buffer.concat(chunks).toString()),
    }
  }

  say(message: object | Buffer): void {
    this.ws.send(Buffer.isBuffer(message) ? message : JSON.stringify(message))
  }

  /** The next message. @throws when it closes before */
  async next(): Promise<Said> {
    for (;;) {
      const message = this.#got.shift()
      if (message) return message
      if (this.ws.readyState === WebSocket.CLOSED) throw new Error('it was closed')
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  /** What it was told until it closed. */
  async rest(): Promise<Said[]> {
    await this.closed
    return this.#got.splice(0)
  }

  /** How many messages wait to be looked at. */
  get waiting(): number {
    return this.#got.length
  }
}
