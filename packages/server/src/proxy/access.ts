/** Who may reach the ports of a capsule that asks for a token. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isProblem, Problem } from '@wrenn/wire'
import type { Keys } from '../services/keys.js'

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
}

/** @throws Problem `unauthorized` */
export async function admit(
  request: IncomingMessage,
  path: string,
  guard: Guarded & { keys: Keys },
): Promise<Admitted> {
  const { keys, teamId, proxyToken: token } = guard
  // Where nothing is asked for, the parameter is the guest's.
  if (token === null) return { path }
  const url = takeToken(path)
  if (url.tokens.some((given) => isSame(given, token))) {
    const cookie = `${TOKEN}=${token}; Path=/; HttpOnly; SameSite=Lax`
    return { path: url.path, ...(isBrowsing(request) ? { cookie } : {}) }
  }
  const given = [request.headers[TOKEN_HEADER] ?? [], cookiesOf(request)].flat()
  if (given.some((one) => isSame(one, token)) || (await isOfTeam(request, keys, teamId))) return { path: url.path }
  throw new Problem('unauthorized', 'This port asks for a token.', {
    hint: 'Send the capsule’s proxy_token as the header X-Wrenn-Token, or open the URL with ?wrenn_token= once.',
  })
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

async function isOfTeam({ headers }: IncomingMessage, keys: Keys, teamId: string): Promise<boolean> {
  const { 'x-api-key': key } = headers
  if (key === undefined) return false
  try {
    return (await keys.authenticate([key].flat()[0])).teamId === teamId
  } catch (error) {
    if (isProblem(error) && error.code === 'unauthorized') return false
    throw error
  }
}

function isSame(given: string, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(token))
}
