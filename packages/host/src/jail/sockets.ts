/** Sockets that a program in a jail listens on: made by us, so that it need not be able to make files. */
import { once } from 'node:events'
import { rename } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { shortPath } from '../process/short-path.js'

export interface ListeningSocket {
  /** Our descriptor of it. */
  fd: number
  /** Closes that; the path stays. */
  close(): void
}

/**
 * Makes a socket that listens at a path. It is to be handed over to a process and then closed here, which leaves the path
 * there: nothing of ours ever takes a connection.
 */
export async function listeningSocket(path: string): Promise<ListeningSocket> {
  const server = createServer()
  // Closing a socket removes the name that it was made under.
  const made = `${path}+`
  const short = await shortPath(made)
  const close = () => void server.close(() => void short.close())
  try {
    server.listen(short.path)
    await once(server, 'listening')
    await rename(made, path)
    return { fd: descriptorOf(server), close }
  } catch (error) {
    close()
    throw error
  }
}

/** Makes one at each of the paths, or none. */
export async function listeningSockets(paths: readonly string[]): Promise<ListeningSocket[]> {
  const made = await Promise.allSettled(paths.map(listeningSocket))
  const failed = made.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined
  const sockets = made.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  if (!failed) return sockets
  for (const socket of sockets) socket.close()
  throw failed.reason
}

/** Node.js shows no descriptor of what listens, but takes one for a child. */
function descriptorOf(server: Server): number {
  const { _handle: handle } = server as unknown as { _handle: { fd: number } }
  return handle.fd
}
