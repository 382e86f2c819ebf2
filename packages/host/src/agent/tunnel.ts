/** Connections to the ports of a capsule, over its agent. */
import type { Http2Stream } from 'node:http2'
import { Duplex } from 'node:stream'
import type { AgentChannel } from './channel.js'

/** Pieces under this size are counted by the agent while they wait; too many of them end the whole connection. */
const SMALL = 256
/** How long what follows such a piece is put together, in milliseconds: someone who types does not notice. */
const GATHER_MS = 4

/** Connects to a port of the guest's own loopback. Aborting resets the connection, also later. */
export async function openTunnel(channel: AgentChannel, port: number, signal: AbortSignal): Promise<Duplex> {
  const { body } = await channel.open({ method: 'POST', path: `/v1/tunnels/${port}`, signal }, () => {})
  return new Tunnel(body)
}

interface Piece {
  chunk: Buffer
}
type Callback = (error?: Error | null) => void

/**
 * An HTTP/2 stream as a connection: each way ends alone and the other goes on, and a reset is an error, where an HTTP/2
 * stream that is reset without one looks like one that has ended.
 */
export class Tunnel extends Duplex {
  #gathering: NodeJS.Timeout | undefined
  #hasEnded = false

  constructor(private readonly body: Http2Stream) {
    super({ allowHalfOpen: true })
    body.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) body.pause()
    })
    body.on('end', () => {
      if (body.aborted) return
      this.#hasEnded = true
      this.push(null)
    })
    body.on('error', (error) => this.destroy(error))
    body.on('close', () => this.#lost())
    if (body.destroyed) this.#lost()
  }

  override _read(): void {
    this.body.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Callback): void {
    this.#send(chunk, done)
  }

  override _writev(pieces: Piece[], done: Callback): void {
    this.#send(Buffer.concat(pieces.map(({ chunk }) => chunk)), done)
  }

  override _final(done: Callback): void {
    if (this.body.destroyed) return done()
    this.body.end(() => done())
  }

  override _destroy(error: Error | null, done: Callback): void {
    clearTimeout(this.#gathering)
    // An error makes it a reset even where nothing is wrong: the other end is not to take it for an end.
    this.body.destroy(this.#hasEnded && this.writableFinished ? undefined : (error ?? new Error('it was given up')))
    done(error)
  }

  #send(chunk: Buffer, done: Callback): void {
    this.body.write(chunk, (error) => {
      if (error || chunk.length >= SMALL) return done(error)
      this.#gathering = setTimeout(done, GATHER_MS)
    })
  }

  /** What has come to its end is still read; whoever writes on is told then. */
  #lost(): void {
    if (!this.#hasEnded) this.destroy(new Error('the connection was reset'))
  }
}
