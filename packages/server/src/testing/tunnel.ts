import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { Duplex } from 'node:stream'

/** A connection that is no more than the real ones are: a stream with two ends, and no socket. */
class Tunnel extends Duplex {
  constructor(private readonly socket: Socket) {
    super({ allowHalfOpen: true })
    socket.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) socket.pause()
    })
    socket.on('end', () => this.push(null))
    socket.on('error', (error) => this.destroy(error))
    socket.once('close', () => {
      if (!socket.readableEnded) this.destroy(new Error('the connection is lost'))
    })
  }

  override _read(): void {
    this.socket.resume()
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.socket.write(chunk, done)
  }

  override _final(done: () => void): void {
    this.socket.end(done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // Like the real one: a loss is not an end.
    if (this.readableEnded && this.writableFinished) this.socket.destroy()
    else this.socket.resetAndDestroy()
    done(error)
  }
}

/** Connects to a port of this machine. Aborting destroys the connection. */
export async function openTunnel(port: number, signal: AbortSignal): Promise<Duplex> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  // A loss, as with the real ones, and not an end.
  const cut = () => socket.resetAndDestroy()
  signal.addEventListener('abort', cut)
  socket.once('close', () => signal.removeEventListener('abort', cut))
  await once(socket, 'connect', { signal })
  return new Tunnel(socket)
}
