/** What of a message's head goes on, as it came and in its order, and what belongs to one connection alone. */
import type { IncomingMessage } from 'node:http'
import { Problem } from '@wrenn/wire'
import { TOKEN_HEADER, withoutTokenCookie } from './access.js'
import type { Peers } from './peers.js'
import type { Target } from './target.js'

type Pairs = [name: string, value: string][]

const ofTheConnection = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]
/** Ours to know, and what is said anew. */
const notForGuests = ['x-api-key', TOKEN_HEADER, 'host', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host']
/** A message that calls these its connection's own would change where the next one begins. */
const framing = ['content-length']
/** Methods whose requests have no body unless they say so. */
const bodiless = ['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE']

/** Whether a request says that a body follows. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

interface Onward {
  target: Target
  peers: Peers
  /** What the Connection header says. */
  connection: string
}

/**
 * The head that the guest is sent, as names and values in turn.
 * @throws Problem `invalid_request` for a coding of the body that nobody here understands
 */
export function requestHeaders(request: IncomingMessage, { target: { host }, peers, connection }: Onward): string[] {
  const { headers, rawHeaders, method = '' } = request
  const passed = pass(rawHeaders, notForGuests).flatMap(([name, value]): Pairs => {
    if (name.toLowerCase() !== 'cookie') return [[name, value]]
    const left = withoutTokenCookie(value)
    return left === '' ? [] : [[name, left]]
  })
  const pairs: Pairs = [['Host', host], ...passed, ...forwarded(request, host, peers), ['Connection', connection]]
  const { 'transfer-encoding': coding, upgrade } = headers
  if (coding !== undefined && coding.trim().toLowerCase() !== 'chunked')
    throw new Problem('invalid_request', 'The only transfer coding that is understood is "chunked".')
  if (coding !== undefined) pairs.push(['Transfer-Encoding', 'chunked'])
  else if (headers['content-length'] === undefined && !bodiless.includes(method)) pairs.push(['Content-Length', '0'])
  if (connection === 'Upgrade') pairs.push(['Upgrade', upgrade ?? ''])
  return pairs.flat()
}

/** The head that the client is sent. How the body is framed is said by whoever sends it. */
export function answerHeaders({ rawHeaders, statusCode, headers: { upgrade } }: IncomingMessage): string[] {
  if (statusCode === 101)
    return [...pass(rawHeaders, framing).flat(), 'Connection', 'Upgrade', 'Upgrade', upgrade ?? '']
  return pass(rawHeaders, statusCode === 204 ? framing : []).flat()
}

/** What of a message's trailers goes on. */
export function passedTrailers({ rawTrailers }: IncomingMessage): Pairs {
  return pass(rawTrailers, [...notForGuests, ...framing, 'cookie', 'authorization', 'set-cookie'])
}

function pass(raw: string[], dropped: string[]): Pairs {
  const pairs = raw.flatMap((name, i): Pairs => (i % 2 === 0 ? [[name, raw[i + 1]!]] : []))
  const named = pairs
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(',').map((name) => name.trim().toLowerCase()))
    .filter((name) => !framing.includes(name))
  const gone = new Set([...ofTheConnection, ...dropped, ...named])
  return pairs.filter(([name]) => !gone.has(name.toLowerCase()))
}

/** What proxies in front of this one said is passed on where they are trusted; anybody else may say anything. */
function forwarded(request: IncomingMessage, host: string, peers: Peers): Pairs {
  const before = peers.isProxied(request) ? request.headers['x-forwarded-for'] : undefined
  const peer = (request.socket.remoteAddress ?? 'unknown').replace(/^::ffff:/, '')
  return [
    ['X-Forwarded-For', [before, peer].flat().filter(Boolean).join(', ')],
    ['X-Forwarded-Proto', peers.schemeOf(request)],
    ['X-Forwarded-Host', host],
  ]
}
