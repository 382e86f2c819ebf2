/** Where the ports of capsules are reached. */
import { WrennValidationError } from './errors.js'

/** Names in the local machine's own domain can stand below `localhost`, but not below a number. */
const LOOPBACK = /^(127(\.\d+){3}|\[::1\])$/

/** The domain below which ports of capsules have names, with the server's port where it has one. */
export function proxyDomainOf(baseUrl: string): string {
  const { hostname, port } = new URL(baseUrl)
  if (hostname === 'app.wrenn.dev') return 'wrenn.dev'
  const name = LOOPBACK.test(hostname) ? 'localhost' : hostname
  return port ? `${name}:${port}` : name
}

export interface PortAddress {
  capsuleId: string
  port: number
  baseUrl: string
  /** Default: the one of the API. */
  domain?: string | undefined
}

/** The URL of a capsule's port, without a slash at its end. @throws {WrennValidationError} when it is no port */
export function portUrl({ capsuleId, port, baseUrl, domain = proxyDomainOf(baseUrl) }: PortAddress): string {
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new WrennValidationError(`${port} is not a port.`, {
      code: 'invalid_request',
      status: 0,
      hint: 'A port is a whole number from 1 to 65535.',
    })
  return `${new URL(baseUrl).protocol}//${port}-${capsuleId}.${domain}`
}
