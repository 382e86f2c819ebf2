import { z } from 'zod'
import { idSchema } from '../ids.js'
import { createdKeySchema, createKeySchema, keySchema } from '../keys.js'
import { empty, json, type Route } from '../route.js'

const onKeys = { tag: 'Keys', auth: true, scope: 'admin' } as const

export const keyRoutes = {
  createKey: {
    ...onKeys,
    method: 'POST',
    path: '/v1/api-keys',
    summary: 'Make an API key; it is shown this once',
    body: json(createKeySchema),
    replies: { 201: json(createdKeySchema) },
    errors: [],
    idempotencyKey: true,
  },

  listKeys: {
    ...onKeys,
    method: 'GET',
    path: '/v1/api-keys',
    summary: "List the team's API keys",
    replies: { 200: json(z.array(keySchema)) },
    errors: [],
  },

  revokeKey: {
    ...onKeys,
    method: 'DELETE',
    path: '/v1/api-keys/{id}',
    summary: 'Revoke an API key; it stops working at once',
    params: z.object({ id: idSchema('key') }),
    replies: { 204: empty },
    errors: ['not_found', 'conflict'],
  },
} as const satisfies Record<string, Route>
