import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'

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
      near.destroy()
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
  const options = { signal: closing }
  // A connection that breaks is the affair of its two ends.
  await Promise.all([pipeline(near, far, options), pipeline(far, near, options)]).catch(() => {})
  near.destroy()
  far.destroy()
}
