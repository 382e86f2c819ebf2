import { basePaths, Problem, routes, type Route } from '@wrenn/wire'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** What is served besides the routes of the API. */
const pages = ['/openapi.json', '/docs'].map((path) => ({ method: 'GET', path, heads: true }))

const known = [
  ...[...(Object.values(routes) as Route[]).map((route) => ({ ...route, heads: hasHead(route) })), ...pages].flatMap(
    ({ method, path, heads }) =>
      basePaths.map((base) => ({
        method,
        heads,
        isExact: !path.includes('{'),
        form: new RegExp(`^${base}${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
      })),
  ),
  { method: 'GET', heads: true, isExact: true, form: /^\/metrics$/ },
]

const named = new Set(
  [...(Object.values(routes) as Route[]), ...pages]
    .filter(({ path }) => !path.includes('{'))
    .flatMap(({ path }) => basePaths.map((base) => base + path)),
)

/** Whether a path that is named itself was taken for another's parameter, as it is not served with this method. */
export function isMistaken({ url, routeOptions }: FastifyRequest): boolean {
  const path = url.split('?')[0]!
  return routeOptions.url !== path && named.has(path)
}

/** A path that is not served, or not with this method. */
export function refuseUnknown(request: FastifyRequest, reply: FastifyReply): never {
  const path = request.url.split('?')[0]!
  const fitting = known.filter(({ form }) => form.test(path))
  // A path that is named itself is nothing's parameter.
  const isNamed = fitting.some(({ isExact }) => isExact)
  const possible = fitting.filter(({ isExact }) => isExact === isNamed)
  if (possible.length === 0)
    throw new Problem('not_found', 'There is no such route.', { hint: '/openapi.json lists all.' })
  const head = possible.some(({ heads }) => heads) ? ['HEAD'] : []
  const allowed = [...new Set([...possible.map(({ method }) => method), ...head])].join(', ')
  reply.header('allow', allowed)
  throw new Problem('method_not_allowed', `${request.method} is not possible here; ${allowed} is.`)
}

/** Whether it can be asked for its head alone: what lasts as long as a program does would have to be begun for that. */
export function hasHead(route: Route): boolean {
  return route.method === 'GET' && route.replies[101] === undefined && route.replies[200]?.kind !== 'lines'
}
