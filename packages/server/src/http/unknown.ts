import { basePaths, Problem, routes, type Route } from '@wrenn/wire'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** What is served besides the routes of the API. */
const pages = ['/openapi.json', '/docs'].map((path) => ({ method: 'GET', path }))

const known = [
  ...[...(Object.values(routes) as Route[]), ...pages].flatMap(({ method, path }) =>
    basePaths.map((base) => ({
      method,
      form: new RegExp(`^${base}${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
    })),
  ),
  { method: 'GET', form: /^\/metrics$/ },
]

/** A path that is not served, or not with this method. */
export function refuseUnknown(request: FastifyRequest, reply: FastifyReply): never {
  const path = request.url.split('?')[0]!
  const methods = known.filter(({ form }) => form.test(path)).map(({ method }) => method)
  if (methods.length === 0)
    throw new Problem('not_found', 'There is no such route.', { hint: '/openapi.json lists all.' })
  const allowed = [...new Set(methods.includes('GET') ? [...methods, 'HEAD'] : methods)].join(', ')
  reply.header('allow', allowed)
  throw new Problem('method_not_allowed', `${request.method} is not possible here; ${allowed} is.`)
}
