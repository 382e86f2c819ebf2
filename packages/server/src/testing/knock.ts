/** Requests of which only the answer's status and text matter, whatever kind the route is. */
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { isSocketRoute, isTunnelRoute, TUNNEL_PROTOCOL, type Route } from '@wrenn/wire'

export interface Asking {
  params?: Record<string, string>
  query?: string
  json?: unknown
  /** A form of a path and a file. */
  form?: { path: string; file: string }
  raw?: string
}

export interface Knock extends Asking {
  url: string
  base: string
  /** Absent: no header. */
  key?: string | undefined
  headers?: Record<string, string>
}

export interface Heard {
  status: number
  /** Of answers that have an end, all of it. */
  text: string
}

/** Asks for a route. What has no end is cut as soon as it has begun. */
export async function knock(route: Route, asked: Knock): Promise<Heard> {
  const { params = {}, query = '', base, url, key, headers: more } = asked
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''))
  const { type, body } = await bodyOf(asked)
  const headers = { ...(key === undefined ? {} : { 'x-api-key': key }), ...type, ...upgradeFor(route), ...more }
  const asking = request(url + base + path + query, { method: route.method, headers, agent: false })
  asking.on('error', () => {})
  asking.end(body)
  const answered = once(asking, 'response') as Promise<[IncomingMessage]>
  answered.catch(() => {})
  const upgraded = once(asking, 'upgrade') as Promise<[IncomingMessage, Socket]>
  upgraded.catch(() => {})
  const [response, socket] = await Promise.race([answered, upgraded])
  const status = response.statusCode!
  if (socket) socket.on('error', () => {}).destroy()
  if (socket || (status < 300 && isEndless(route))) return { status, text: (response.destroy(), '') }
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk as string
  return { status, text }
}

function isEndless({ replies }: Route): boolean {
  return ['events', 'lines'].includes(replies[200]?.kind ?? '')
}

function upgradeFor(route: Route): Record<string, string> {
  if (isTunnelRoute(route)) return { connection: 'Upgrade', upgrade: TUNNEL_PROTOCOL }
  if (!isSocketRoute(route)) return {}
  const key = Buffer.alloc(16, 'k').toString('base64')
  return { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': key }
}

async function bodyOf({ json, form, raw }: Asking): Promise<{ type: Record<string, string>; body: string }> {
  if (json !== undefined) return { type: { 'content-type': 'application/json' }, body: JSON.stringify(json) }
  if (!form) return { type: {}, body: raw ?? '' }
  const data = new FormData()
  data.append('path', form.path)
  data.append('file', new Blob([form.file]), 'f')
  const sent = new Response(data)
  return { type: { 'content-type': sent.headers.get('content-type')! }, body: await sent.text() }
}
