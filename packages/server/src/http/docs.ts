/** The API's description for programs (/openapi.json) and for people (/docs), which needs nothing from elsewhere. */
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import fastifyStatic from '@fastify/static'
import { basePaths, openApi } from '@wrenn/wire'
import type { FastifyInstance } from 'fastify'
import { pagePolicy } from './headers.js'

const page = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))

/** In place of the page's own, which shows somebody else's API. */
const initializer = `window.ui = SwaggerUIBundle({
  url: '../openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset], layout: 'StandaloneLayout',
})
`

export async function serveDocs(app: FastifyInstance, version: string): Promise<void> {
  const document = JSON.stringify(openApi(version))
  for (const base of basePaths) {
    app.get(`${base}/openapi.json`, (_, reply) => reply.type('application/json').send(document))
    app.get(`${base}/docs`, (_, reply) => reply.redirect('docs/'))
    app.get(`${base}/docs/swagger-initializer.js`, (_, reply) => reply.type('text/javascript').send(initializer))
  }
  for (const [i, base] of basePaths.entries()) {
    await app.register(fastifyStatic, {
      root: page,
      prefix: `${base}/docs/`,
      decorateReply: i === 0,
      index: 'index.html',
      allowedPath: (path) => !path.endsWith('swagger-initializer.js'),
      cacheControl: false,
      setHeaders: (reply) => void reply.header('content-security-policy', pagePolicy),
    })
  }
}
