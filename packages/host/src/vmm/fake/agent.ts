/** The fake guest's end of the connection: links as the real agent does, and speaks HTTP/2. */
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Duplex } from 'node:stream'

const MARKER = 16

export class FakeAgent {
  readonly #server: Http2Server
  #session: ServerHttp2Session | undefined
  #data: Duplex | undefined
  #marker: Buffer | undefined

  /** @param serve answers a request */
  constructor(serve: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void) {
    this.#server = createServer()
    this.#server.on('session', (session) => (this.#session = session))
    this.#server.on('sessionError', () => {})
    this.#server.on('stream', (stream, headers) => {
      stream.on('error', () => {})
      serve(stream, headers)
    })
  }

  /** The host has opened a port. */
  connected(port: 'control' | 'data', stream: Duplex): void {
    stream.on('error', () => {})
    if (port === 'data') {
      this.#data = stream
      this.#link()
      return
    }
    stream.on('data', (chunk: Buffer) => {
      const [, marker] = /link ([0-9a-f]{32})/.exec(chunk.toString()) ?? []
      if (!marker) return
      this.#session?.destroy()
      this.#marker = Buffer.from(marker, 'hex')
      stream.write(`ready ${marker}\n`)
      this.#link()
    })
  }

  end(): void {
    this.#session?.destroy()
    this.#data?.destroy()
  }

  /** Once both ports have spoken: drops the old connection, and begins behind the marker. */
  #link(): void {
    const [data, marker] = [this.#data, this.#marker]
    if (!data || !marker) return
    this.#data = this.#marker = undefined
    const onReadable = () => {
      const seen = data.read(MARKER) as Buffer | null
      if (!seen) return
      data.off('readable', onReadable)
      if (!seen.equals(marker)) return data.destroy()
      data.write(marker)
      this.#server.emit('connection', data)
    }
    data.on('readable', onReadable)
  }
}
