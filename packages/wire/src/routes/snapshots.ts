import { z } from 'zod'
import { nameSchema } from '../common.js'
import { empty, json, optionalJson, type Route } from '../route.js'
import {
  createSnapshotSchema,
  rollbackSchema,
  templateSchema,
  verificationSchema,
  verifySchema,
  versionSchema,
} from '../snapshots.js'

const onSnapshots = { tag: 'Snapshots', auth: true } as const
const nameParams = z.object({ name: nameSchema })
const versionParams = nameParams.extend({
  version: z.coerce.number().int().min(1).describe('The number of a version.'),
})

export const snapshotRoutes = {
  createSnapshot: {
    ...onSnapshots,
    scope: 'run',
    method: 'POST',
    path: '/v1/snapshots',
    summary: 'Capture a running capsule as a template, and destroy the capsule',
    query: z.object({ overwrite: z.string().optional().describe('Only the exact string "true" counts.') }),
    body: json(createSnapshotSchema),
    replies: { 201: json(templateSchema) },
    errors: [
      'not_found',
      'conflict',
      'name_reserved',
      'invalid_state',
      'agent_error',
      'host_unavailable',
      'no_hosts_available',
      'insufficient_storage',
    ],
    idempotencyKey: true,
  },

  listSnapshots: {
    ...onSnapshots,
    scope: 'read',
    method: 'GET',
    path: '/v1/snapshots',
    summary: "List the team's templates and the platform's, newest first",
    query: z.object({ type: z.string().optional().describe('"base" or "snapshot"; any other gives an empty list.') }),
    replies: { 200: json(z.array(templateSchema)) },
    errors: [],
  },

  getSnapshot: {
    ...onSnapshots,
    scope: 'read',
    method: 'GET',
    path: '/v1/snapshots/{name}',
    summary: 'Show a template',
    params: nameParams,
    replies: { 200: json(templateSchema) },
    errors: ['not_found'],
  },

  deleteSnapshot: {
    ...onSnapshots,
    scope: 'run',
    method: 'DELETE',
    path: '/v1/snapshots/{name}',
    summary: 'Delete a template with all its versions; capsules that came from it are not touched',
    params: nameParams,
    replies: { 204: empty },
    errors: ['not_found', 'forbidden'],
  },

  listVersions: {
    ...onSnapshots,
    scope: 'read',
    method: 'GET',
    path: '/v1/snapshots/{name}/versions',
    summary: 'List the versions of a template that are kept, newest first',
    params: nameParams,
    replies: { 200: json(z.array(versionSchema)) },
    errors: ['not_found'],
  },

  deleteVersion: {
    ...onSnapshots,
    scope: 'run',
    method: 'DELETE',
    path: '/v1/snapshots/{name}/versions/{version}',
    summary: 'Delete an old version of a template',
    params: versionParams,
    replies: { 204: empty },
    errors: ['not_found', 'forbidden', 'conflict'],
  },

  rollbackSnapshot: {
    ...onSnapshots,
    scope: 'run',
    method: 'POST',
    path: '/v1/snapshots/{name}/rollback',
    summary: 'Make the name mean an older version again (or a newer one)',
    params: nameParams,
    body: optionalJson(rollbackSchema),
    replies: { 200: json(templateSchema) },
    errors: ['not_found', 'forbidden', 'template_corrupt'],
  },

  verifySnapshot: {
    ...onSnapshots,
    scope: 'run',
    method: 'POST',
    path: '/v1/snapshots/{name}/verify',
    summary: 'Read every part of a template and compare it with the digest that was taken when it was made',
    params: nameParams,
    body: optionalJson(verifySchema),
    replies: { 200: json(verificationSchema) },
    errors: ['not_found', 'host_unavailable'],
  },
} as const satisfies Record<string, Route>
