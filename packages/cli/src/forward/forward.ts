import { once } from 'node:events'
import { createServer, Socket, type AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'

/** Reaches the port of a capsule. */
export type Reach = (signal: AbortSignal) => Promise<Duplex>

export interface Forward {
  /** The port of this machine. */
  port: number
  close(): void
}

/**
 * Listens on this machine, on its loopback alone, and connects everyone who comes with a port of a capsule.
 *
 * @param port 0: any that is free
 * @param failed is told why somebody could not be connected
 */
export async function forward(port: number, reach: Reach, failed: (error: Error) => void): Promise<Forward> {
  const closing = new AbortController()
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    near.on('error', () => {})
    connect(near, reach, closing.signal).catch((error: unknown) => {
      breakOff(near)
      if (!closing.signal.aborted) failed(error as Error)
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close()
      closing.abort()
    },
  }
}

/** Puts the two together until both directions have ended, or one has failed. */
async function connect(near: Socket, reach: Reach, closing: AbortSignal): Promise<void> {
  const gone = new AbortController()
  near.once('close', () => gone.abort())
  const far = await reach(AbortSignal.any([closing, gone.signal])).catch((error: unknown) => {
    // Who is gone does not mind.
    if (!gone.signal.aborted) throw error
  })
  if (!far) return
  await joinUntilClosed(near, far, closing)
}

/** Each direction ends by itself; what breaks one side breaks the other. */
async function joinUntilClosed(near: Socket, far: Duplex, closing: AbortSignal): Promise<void> {
  const destroy = () => {
    breakOff(near)
    breakOff(far)
  }
  closing.addEventListener('abort', destroy, { once: true })
  try {
    await Promise.all([passOn(near, far, () => breakOff(far)), passOn(far, near, () => breakOff(near))])
  } finally {
    closing.removeEventListener('abort', destroy)
  }
}

/** Resolves when `from` is closed. */
function passOn(from: Duplex, to: Duplex, broken: () => void): Promise<void> {
  return new Promise((resolve) => {
    from.on('error', () => {})
    const closed = () => {
      if (!from.readableEnded || !from.writableFinished) broken()
      resolve()
    }
    if (from.destroyed) return closed()
    from.once('close', closed)
    from.pipe(to)
  })
}

/** What is not whole must not look as if it had come to its end. */
function breakOff(socket: Duplex): void {
  if (socket.destroyed) return
  if (socket instanceof Socket && !(socket instanceof TLSSocket)) socket.resetAndDestroy()
  else socket.destroy()
}
