/** An HTTP client for tests that checks every answer against the published schemas. */
import { errorSchema, openApi, routes, type Method, type ReplyBody, type Route, type RouteName } from '@wrenn/wire'
import { expect } from 'vitest'
import { z } from 'zod'

export interface Answer {
  status: number
  headers: Headers
  // Tests look into bodies freely; their shape was checked against the schema.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  body: any
  bytes: Buffer
}

export interface Ask {
  params?: Record<string, string>
  query?: string
  json?: unknown
  /** Sent as it is, instead of `json`. */
  raw?: RequestInit['body']
  headers?: Record<string, string>
  signal?: AbortSignal
}

export class Api {
  constructor(
    private readonly server: { url: string; key: string },
    private readonly base: '' | '/api' = '',
  ) {}

  /** Calls a route and checks the answer's status, type and shape. */
  async call(name: RouteName, { params = {}, query = '', json, raw, headers = {}, signal }: Ask = {}): Promise<Answer> {
    const route: Route = routes[name]
    const path = route.path.replaceAll(/\{(\w+)\}/g, (_, key: string) => encodeURIComponent(params[key] ?? ''))
    const answer = await this.send(route.method, `${path}${query}`, {
      body: raw ?? (json === undefined ? undefined : JSON.stringify(json)),
      headers: { ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      signal,
    } as RequestInit)
    checkShape(route, answer)
    return answer
  }

  /** Sends anything; nothing but the error shape is checked. */
  async send(method: Method | 'HEAD' | 'OPTIONS', path: string, init: RequestInit = {}): Promise<Answer> {
    const response = await fetch(this.server.url + this.base + path, {
      method,
      ...init,
      headers: { 'x-api-key': this.server.key, ...(init.headers as Record<string, string>) },
      ...(init.body instanceof ReadableStream ? { duplex: 'half' } : {}),
    })
    const bytes = Buffer.from(await response.arrayBuffer())
    const isJson = response.headers.get('content-type')?.startsWith('application/json')
    const body: unknown = isJson ? JSON.parse(bytes.toString()) : undefined
    expect(response.headers.get('x-request-id')).toMatch(/^req-[0-9a-f]{16}$/)
    if (response.status >= 400 && method !== 'HEAD') {
      expect(errorSchema.strict().parse(body).error.request_id).toBe(response.headers.get('x-request-id'))
    }
    return { status: response.status, headers: response.headers, body, bytes }
  }
}

const documented = openApi('0').paths as Record<string, Record<string, { responses: object }>>

/** The statuses that a route may answer, as the OpenAPI document tells it. */
export function documentedStatuses({ method, path }: Pick<Route, 'method' | 'path'>): number[] {
  return Object.keys(documented[path]![method.toLowerCase()]!.responses).map(Number)
}

function checkShape(route: Route, { status, headers, body, bytes }: Answer): void {
  expect(documentedStatuses(route), `${route.method} ${route.path}`).toContain(status)
  if (status >= 400) return
  const reply: ReplyBody | undefined = route.replies[status]
  expect(reply, `${route.method} ${route.path} may answer ${status}`).toBeDefined()
  if (reply!.kind === 'empty') expect(bytes).toHaveLength(0)
  if (reply!.kind === 'bytes') expect(headers.get('content-type')).toBe(reply!.contentType)
  if (reply!.kind === 'lines') checkLines(reply!.schema, bytes)
  if (reply!.kind === 'json' && !headers.get('content-type')?.includes('ndjson')) exactly(reply!.schema).parse(body)
}

/** Each line by itself; empty ones only keep the connection. */
function checkLines(schema: z.ZodType, bytes: Buffer): void {
  for (const line of bytes.toString().split('\n')) if (line !== '') schema.parse(JSON.parse(line))
}

/** The schema without tolerance for fields that are not in it. */
function exactly(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodObject) return schema.strict()
  if (schema instanceof z.ZodArray) return z.array(exactly(schema.element as z.ZodType))
  return schema
}
