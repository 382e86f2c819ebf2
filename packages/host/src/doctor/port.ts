import { once } from 'node:events'
import { createServer } from 'node:net'
import { failure, ok, reasonOf, skipped, type Outcome } from './outcome.js'

export interface Address {
  host: string
  port: number
}

/**
 * Whether the address of the server is free, or its own.
 *
 * @param isOurs asks whether what listens there is a Wrenn server
 */
export async function checkPort({ host, port }: Address, isOurs: () => Promise<boolean>): Promise<Outcome> {
  const shown = `${host.includes(':') ? `[${host}]` : host}:${port}`
  if (port === 0) return ok('any free port')
  const server = createServer()
  try {
    server.listen({ host, port, exclusive: true })
    await once(server, 'listening')
    return ok(`${shown} is free`)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE' && (await isOurs())) return ok(`a Wrenn server serves at ${shown}`)
    if (code === 'EADDRINUSE')
      return failure(`Another program listens at ${shown}.`, {
        fix: `End it (ss -ltnp 'sport = :${port}' names it), or set WRENN_LISTEN to another address.`,
      })
    if (code === 'EACCES')
      return failure(`Only root may listen at ${shown}.`, { fix: 'Set WRENN_LISTEN to a port from 1024 on.' })
    if (code === 'EADDRNOTAVAIL')
      return failure(`${host} is no address of this machine.`, { fix: 'Set WRENN_LISTEN to one that is.' })
    return skipped(`could not be tried (${reasonOf(error)})`)
  } finally {
    server.close()
  }
}
