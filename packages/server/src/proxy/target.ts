/** Where a request wants to go: read from the name that it was sent to. */
import type { IncomingMessage } from 'node:http'
import { idSchema, parseProxyHost, Problem } from '@wrenn/wire'
import type { Peers } from './peers.js'

export interface Target {
  capsuleId: string
  port: number
  /** The name as it came, for the guest's own Host. */
  host: string
  /** Path and query, byte for byte (a character is a byte). */
  path: string
}

const ABSOLUTE = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#]*)(.*)$/is
const PORT = /^[1-9][0-9]{0,4}$/
const capsuleId = idSchema('capsule')

/** Whether it is for a port of a capsule, well-formed or not. */
export function isForPort(request: IncomingMessage, peers: Peers): boolean {
  return namesOf(request, peers).some((name) => parseProxyHost(name) !== undefined)
}

/** @throws Problem `invalid_request` */
export function readTarget(request: IncomingMessage, peers: Peers): Target {
  const [host = '', ...others] = namesOf(request, peers)
  // Who comes in between may have looked at the other one.
  if (others.length > 0) throw new Problem('invalid_request', 'The request has more than one Host header.')
  const { port = '', capsuleId: id } = parseProxyHost(host) ?? {}
  if (!PORT.test(port) || Number(port) > 65_535)
    throw new Problem('invalid_request', 'The port must be a number from 1 to 65535.')
  const { success, data } = capsuleId.safeParse(id)
  if (!success) throw new Problem('invalid_request', 'The name of the host holds no capsule id.')
  return { capsuleId: data, port: Number(port), host, path: pathOf(request) }
}

/** What a trusted proxy says counts instead of a target in absolute form, and that instead of Host. */
function namesOf(request: IncomingMessage, peers: Peers): string[] {
  const { url = '', rawHeaders } = request
  const forwarded = peers.forwardedHostOf(request)
  if (forwarded !== undefined) return [forwarded]
  const [, authority] = ABSOLUTE.exec(url) ?? []
  if (authority !== undefined) return [authority]
  return rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]!.toLowerCase() === 'host')
}

function pathOf({ url = '', method }: IncomingMessage): string {
  const [, , path] = ABSOLUTE.exec(url) ?? []
  if (path === undefined) return url
  if (path === '' && method === 'OPTIONS') return '*'
  return path.startsWith('/') ? path : `/${path}`
}
