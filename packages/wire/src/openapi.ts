/** The OpenAPI 3.1 document, made from the routes: the same schemas that parse the requests. */
import { z } from 'zod'
import { errorSchema, guestPathSchema } from './common.js'
import { errorTable, type ErrorCode } from './errors.js'
import { MAX_PLAIN_WRITE } from './files.js'
import { includesScope, keyScopes, type KeyScope } from './keys.js'
import type { ReplyBody, RequestBody, Route } from './route.js'
import { namedSchemas, routes } from './routes.js'

type Json = Record<string, unknown>

/** Where clients reach the API below a server's root. The first is what the document's paths are relative to. */
export const basePaths = ['', '/api'] as const

/** What every route may answer, whatever it does. */
const everywhere: readonly ErrorCode[] = [
  'invalid_request',
  'rate_limited',
  'internal_error',
  // The server's own database may be out of reach, or have no room.
  'host_unavailable',
  'insufficient_storage',
]

function toJsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Json
  return rest
}

const binary: Json = { type: 'string', format: 'binary' }

const idempotencyKey: Json = {
  name: 'Idempotency-Key',
  in: 'header',
  description:
    'Of your choice, a new one for each request. Repeated unchanged within a day, the request gives the first answer again; another request under the same key is a conflict.',
  required: false,
  schema: { type: 'string', pattern: '^[!-~]{1,255}$' },
}

function parameters(route: Route): Json[] {
  const of = (place: 'path' | 'query', schema: z.ZodObject | undefined) =>
    Object.entries(schema?.shape ?? {}).map(([name, field]) => {
      const { description, ...fieldSchema } = toJsonSchema(field as z.ZodType, 'input')
      const required = place === 'path' || !(field as z.ZodType).safeParse(undefined).success
      return { name, in: place, required, ...(description ? { description } : {}), schema: fieldSchema }
    })
  return [...of('path', route.params), ...of('query', route.query), ...(route.idempotencyKey ? [idempotencyKey] : [])]
}

function requestBody(body: RequestBody): Json {
  if (body.kind === 'json')
    return { required: !body.optional, content: { 'application/json': { schema: toJsonSchema(body.schema, 'input') } } }
  if (body.kind === 'bytes') return { required: true, content: { [body.contentType]: { schema: binary } } }
  const file = { ...binary, ...(body.limited ? { maxLength: MAX_PLAIN_WRITE } : {}) }
  const schema = {
    type: 'object',
    required: ['path', 'file'],
    properties: { path: toJsonSchema(guestPathSchema, 'input'), file },
  }
  return { required: true, content: { 'multipart/form-data': { schema } } }
}

function reply(status: string, body: ReplyBody): Json {
  if (body.kind === 'empty') return { description: 'Done.' }
  if (body.kind === 'bytes')
    return { description: body.description, content: { [body.contentType]: { schema: binary } } }
  if (body.kind === 'lines')
    return {
      description: body.description,
      content: { 'application/x-ndjson': { schema: { type: 'string' }, 'x-line-schema': named(body.schema) } },
    }
  if (body.kind === 'socket') return socket(body)
  if (body.kind === 'tunnel') return { description: body.description }
  if (body.kind === 'events')
    return {
      description: body.description,
      content: { 'text/event-stream': { schema: { type: 'string', contentSchema: named(body.schema) } } },
    }
  const content: Json = { 'application/json': { schema: named(body.schema) } }
  if (body.also) content[body.also.contentType] = { schema: { type: 'string', description: body.also.description } }
  return { description: status === '201' ? 'Made.' : status === '202' ? 'Started.' : 'The answer.', content }
}

/** OpenAPI has no words for what goes over a WebSocket: its extension has a schema for each way. */
function socket({ description, fromClient, fromServer }: ReplyBody & { kind: 'socket' }): Json {
  return {
    description,
    'x-websocket-messages': {
      fromClient: toJsonSchema(fromClient, 'input'),
      fromServer: toJsonSchema(fromServer, 'output'),
    },
  }
}

/** A schema that has a name is referred to, any other stands in place. */
function named(schema: z.ZodType): Json {
  const name = Object.entries(namedSchemas).find(([, candidate]) => candidate === schema)?.[0]
  if (name) return { $ref: `#/components/schemas/${name}` }
  if (schema instanceof z.ZodArray) return { type: 'array', items: named(schema.element as z.ZodType) }
  return toJsonSchema(schema, 'output')
}

/** Whether a body is read as a whole, and has a limit: also one that nobody asked for. */
function takesWhole({ body, method }: Route): boolean {
  return body ? body.kind === 'json' : method !== 'GET'
}

function errorReplies(route: Route): Json {
  const codes = new Set<ErrorCode>([
    ...everywhere,
    ...(route.auth ? (['unauthorized', 'forbidden'] as const) : []),
    ...(takesWhole(route) ? (['too_large'] as const) : []),
    ...(route.idempotencyKey ? (['conflict'] as const) : []),
    ...route.errors,
  ])
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of codes) {
    const { status } = errorTable[code]
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return Object.fromEntries(
    [...byStatus].map(([status, list]) => [
      String(status),
      {
        description: list.map((code) => `\`${code}\`: ${errorTable[code].meaning}`).join(' '),
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    ]),
  )
}

function keysWith(needed: KeyScope): string {
  const scopes = keyScopes.filter((scope) => includesScope(scope, needed)).map((scope) => `\`${scope}\``)
  return `the ${scopes.length > 1 ? 'scopes' : 'scope'} ${scopes.join(', ')}`
}

function operation(name: string, route: Route): Json {
  return {
    operationId: name,
    tags: [route.tag],
    summary: route.summary,
    ...(route.auth
      ? { description: `For keys of ${keysWith(route.scope)}.`, 'x-scope': route.scope }
      : { security: [] }),
    parameters: parameters(route),
    ...(route.body ? { requestBody: requestBody(route.body) } : {}),
    responses: {
      ...Object.fromEntries(Object.entries(route.replies).map(([status, body]) => [status, reply(status, body)])),
      ...errorReplies(route),
    },
  }
}

/** Builds the document. `version` is the product's. */
export function openApi(version: string): Json {
  const paths: Record<string, Json> = {}
  for (const [name, route] of Object.entries(routes) as [string, Route][]) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(name, route) }
  }
  const schemas = Object.entries({ ...namedSchemas, Error: errorSchema }).map(([name, schema]) => [
    name,
    toJsonSchema(schema, 'output'),
  ])
  return {
    openapi: '3.1.0',
    info: {
      title: 'Wrenn',
      version,
      description:
        'Capsules: isolated virtual machines that are captured while they run and started again in an instant.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: basePaths.map((url) => ({ url: url || '/' })),
    security: [{ key: [] }],
    tags: [...new Set(Object.values(routes).map((route) => route.tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: Object.fromEntries(schemas) as Json,
      securitySchemes: { key: { type: 'apiKey', in: 'header', name: 'X-API-Key' } },
    },
  }
}
