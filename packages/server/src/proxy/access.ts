/** Who may reach the ports of a capsule that asks for a token. */
import type { IncomingMessage } from 'node:http'
import { includesScope, isProblem, Problem } from '@wrenn/wire'
import type { Holder, Keys } from '../services/keys.js'
import { isSameSecret } from '../services/secrets.js'
import type { Peers } from './peers.js'

export const TOKEN_HEADER = 'x-wrenn-token'
/** The cookie, and the parameter of a query, that hold the token. */
const TOKEN = 'wrenn_token'

interface Guarded {
  teamId: string
  /** Null: anybody who knows the capsule's id may come in. */
  proxyToken: string | null
}

export interface Admitted {
  /** What the guest is asked for: without the token. */
  path: string
  /** A browser that brought the token in its URL: it is sent to `path`, with this cookie. */
  cookie?: string
  /** Whose API key it was, where that let the visitor in: it may end. */
  holder?: Holder
}

/** @throws Problem `unauthorized`; `rate_limited` for too many wrong tokens from one address */
export async function admit(
  request: IncomingMessage,
  path: string,
  guard: Guarded & { keys: Keys; peers: Peers },
): Promise<Admitted> {
  const { keys, peers, teamId, proxyToken: token } = guard
  // Where nothing is asked for, the parameter is the guest's.
  if (token === null) return { path }
  const url = takeToken(path)
  if (url.tokens.some((given) => isSameSecret(given, token))) {
    const secure = peers.schemeOf(request) === 'https' ? '; Secure' : ''
    const cookie = `${TOKEN}=${token}; Path=/; HttpOnly; SameSite=Lax${secure}`
    return { path: url.path, ...(isBrowsing(request) ? { cookie } : {}) }
  }
  const given = [request.headers[TOKEN_HEADER] ?? [], cookiesOf(request)].flat()
  if (given.some((one) => isSameSecret(one, token))) return { path: url.path }
  const address = peers.addressOf(request)
  const holder = await holderOf(request, keys, address)
  if (holder?.teamId === teamId && includesScope(holder.scope, 'run')) return { path: url.path, holder }
  const refusal = new Problem('unauthorized', 'This port asks for a token.', {
    hint: 'Send the capsule’s proxy_token as the header X-Wrenn-Token, or open the URL with ?wrenn_token= once.',
  })
  return given.length + url.tokens.length > 0 ? keys.refuse(address, refusal) : Promise.reject(refusal)
}

/** A Cookie header's value without ours; the rest stays as it is. */
export function withoutTokenCookie(value: string): string {
  if (!value.includes(TOKEN)) return value
  const kept = value.split(';').filter((part) => nameOf(part) !== TOKEN)
  return kept.join(';').trim()
}

/**
 * A path for a Location header that means the same host whatever it begins with: to a browser, `//x` and `/\x` are
 * another one.
 */
export function sameHost(path: string): string {
  return /^\/[\s/\\]/.test(path) ? `/.${path}` : path
}

function takeToken(path: string): { path: string; tokens: string[] } {
  const at = path.indexOf('?')
  if (at < 0) return { path, tokens: [] }
  const parts = path.slice(at + 1).split('&')
  const ours = parts.filter((part) => nameOf(part) === TOKEN)
  if (ours.length === 0) return { path, tokens: [] }
  const rest = parts.filter((part) => nameOf(part) !== TOKEN).join('&')
  return { path: path.slice(0, at) + (rest === '' ? '' : `?${rest}`), tokens: ours.map(valueOf) }
}

function cookiesOf({ headers: { cookie = '' } }: IncomingMessage): string[] {
  return cookie
    .split(';')
    .filter((part) => nameOf(part) === TOKEN)
    .map(valueOf)
}

function nameOf(part: string): string {
  return part.split('=', 1)[0]!.trim()
}

function valueOf(part: string): string {
  return part.slice(part.indexOf('=') + 1).trim()
}

function isBrowsing({ method, headers: { accept = '', upgrade } }: IncomingMessage): boolean {
  return method === 'GET' && upgrade === undefined && accept.includes('text/html')
}

/** Whose key a visitor has brought: none that is good is as good as none. */
async function holderOf(
  { headers: { 'x-api-key': key } }: IncomingMessage,
  keys: Keys,
  address: string,
): Promise<Holder | undefined> {
  if (key === undefined) return undefined
  try {
    return await keys.authenticate([key].flat()[0], address)
  } catch (error) {
    if (isProblem(error) && error.code === 'unauthorized') return undefined
    throw error
  }
}
