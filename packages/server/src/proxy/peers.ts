import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import proxyAddr from '@fastify/proxy-addr'

/** Who is at the other end of a request: the connection's peer or, where that is a trusted proxy, whom that names. */
export class Peers {
  /** Whether what an address says of others is believed. */
  readonly isTrusted: (address: string, hop: number) => boolean

  /** @param trusted addresses and CIDR ranges of proxies; none: nobody is believed @throws TypeError when one is malformed */
  constructor(trusted: readonly string[] = []) {
    this.isTrusted = trusted.length === 0 ? () => false : proxyAddr.compile([...trusted])
  }

  /** Whether it came through a proxy that is trusted. */
  isProxied({ socket }: IncomingMessage): boolean {
    return this.isTrusted(socket.remoteAddress ?? '', 0)
  }

  /** The client's address. */
  addressOf(request: IncomingMessage): string {
    return proxyAddr(request, this.isTrusted) ?? ''
  }

  /** What the client speaks. */
  schemeOf(request: IncomingMessage): 'http' | 'https' {
    const said = this.isProxied(request) ? lastOf(request.headers['x-forwarded-proto']) : undefined
    if (said !== undefined) return said === 'https' ? 'https' : 'http'
    return (request.socket as Partial<TLSSocket>).encrypted ? 'https' : 'http'
  }

  /** The host that the client asked for, where a proxy says so. */
  forwardedHostOf(request: IncomingMessage): string | undefined {
    return this.isProxied(request) ? lastOf(request.headers['x-forwarded-host']) : undefined
  }
}

/** What the nearest proxy said; those before it may be anybody. */
function lastOf(header: string | string[] | undefined): string | undefined {
  return [header].flat().at(-1)?.split(',').at(-1)?.trim() || undefined
}
