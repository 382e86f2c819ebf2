/** All routes, as data. They are served below `/` and, for older clients, below `/api`. */
import { z } from 'zod'
import { capsuleSchema, createCapsuleSchema, forkSchema } from './capsules.js'
import { nameSchema } from './common.js'
import {
  execEventSchema,
  execResultSchema,
  execSchema,
  execStartedSchema,
  killSignals,
  processListSchema,
  selectorSchema,
} from './exec.js'
import { fileListSchema, listFilesSchema, madeDirSchema, pathSchema } from './files.js'
import { idSchema } from './ids.js'
import { createdKeySchema, createKeySchema, healthSchema, keySchema } from './keys.js'
import { bytes, empty, json, optionalJson, type Route } from './route.js'
import {
  createSnapshotSchema,
  rollbackSchema,
  templateSchema,
  verificationSchema,
  verifySchema,
  versionSchema,
} from './snapshots.js'

const capsuleParams = z.object({ id: idSchema('capsule') })
const processParams = capsuleParams.extend({ selector: selectorSchema.describe('A pid or a tag.') })
const nameParams = z.object({ name: nameSchema })
const versionParams = nameParams.extend({
  version: z.coerce.number().int().min(1).describe('The number of a version.'),
})

const onCapsules = { tag: 'Capsules', auth: true } as const
const onProcesses = { tag: 'Processes', auth: true, params: capsuleParams } as const
const onFiles = { tag: 'Files', auth: true, params: capsuleParams, method: 'POST' } as const
const onSnapshots = { tag: 'Snapshots', auth: true } as const
const onKeys = { tag: 'Keys', auth: true } as const

/** What a start from a template may answer. */
const starting = [
  'template_corrupt',
  'agent_error',
  'host_unavailable',
  'no_hosts_available',
  'insufficient_storage',
] as const

/** What every call into a running capsule may answer. */
const inside = ['not_found', 'invalid_state', 'agent_error', 'host_unavailable'] as const

export const routes = {
  getHealth: {
    method: 'GET',
    path: '/health',
    tag: 'Server',
    auth: false,
    summary: 'Whether the server is up, and its version',
    replies: { 200: json(healthSchema) },
    errors: [],
  },

  createCapsule: {
    ...onCapsules,
    method: 'POST',
    path: '/v1/capsules',
    summary: 'Start a capsule from a template; the answer is already running',
    body: json(createCapsuleSchema),
    replies: { 201: json(capsuleSchema) },
    errors: ['not_found', 'invalid_state', ...starting],
    idempotencyKey: true,
  },
  listCapsules: {
    ...onCapsules,
    method: 'GET',
    path: '/v1/capsules',
    summary: 'List the capsules that are alive, newest first',
    replies: { 200: json(z.array(capsuleSchema)) },
    errors: [],
  },
  getCapsule: {
    ...onCapsules,
    method: 'GET',
    path: '/v1/capsules/{id}',
    summary: 'Show a capsule, also after it was destroyed',
    params: capsuleParams,
    replies: { 200: json(capsuleSchema) },
    errors: ['not_found'],
  },
  deleteCapsule: {
    ...onCapsules,
    method: 'DELETE',
    path: '/v1/capsules/{id}',
    summary: 'Destroy a capsule, in whatever state it is',
    params: capsuleParams,
    replies: { 204: empty },
    errors: ['not_found', 'invalid_state', 'host_unavailable'],
  },
  pingCapsule: {
    ...onCapsules,
    method: 'POST',
    path: '/v1/capsules/{id}/ping',
    summary: 'Reset the idle timer',
    params: capsuleParams,
    replies: { 204: empty },
    errors: ['not_found', 'invalid_state'],
  },
  pauseCapsule: {
    ...onCapsules,
    method: 'POST',
    path: '/v1/capsules/{id}/pause',
    summary: 'Keep a running capsule on disk: it uses no processor and no memory until it is resumed',
    params: capsuleParams,
    replies: { 200: json(capsuleSchema) },
    errors: ['not_found', 'invalid_state', 'agent_error', 'host_unavailable', 'insufficient_storage'],
  },
  resumeCapsule: {
    ...onCapsules,
    method: 'POST',
    path: '/v1/capsules/{id}/resume',
    summary: 'Let a paused capsule go on, exactly where it was',
    params: capsuleParams,
    replies: { 200: json(capsuleSchema) },
    errors: ['not_found', 'invalid_state', ...starting],
  },
  forkCapsule: {
    ...onCapsules,
    method: 'POST',
    path: '/v1/capsules/{id}/fork',
    summary: 'Start several capsules from where a running one is; it runs on. One that fails is in error in the answer',
    params: capsuleParams,
    body: optionalJson(forkSchema),
    replies: { 201: json(z.array(capsuleSchema)) },
    errors: ['not_found', 'invalid_state', ...starting],
    idempotencyKey: true,
  },

  exec: {
    ...onProcesses,
    method: 'POST',
    path: '/v1/capsules/{id}/exec',
    summary: 'Run a program: wait for it, stream it (Accept: application/x-ndjson), or leave it in the background',
    body: json(execSchema),
    replies: {
      200: {
        ...json(execResultSchema),
        also: {
          contentType: 'application/x-ndjson',
          description: 'One event a line, as they happen: start, stdout, stderr, and at last exit or error.',
        },
      },
      202: json(execStartedSchema),
    },
    errors: [...inside, 'conflict'],
    idempotencyKey: true,
  },
  listProcesses: {
    ...onProcesses,
    method: 'GET',
    path: '/v1/capsules/{id}/processes',
    summary: 'List what was started by exec and still runs',
    replies: { 200: json(processListSchema) },
    errors: [...inside],
  },
  killProcess: {
    ...onProcesses,
    method: 'DELETE',
    path: '/v1/capsules/{id}/processes/{selector}',
    summary: "Send a signal to a process's group",
    params: processParams,
    query: z.object({ signal: z.enum(killSignals).default('SIGKILL') }),
    replies: { 204: empty },
    errors: [...inside],
  },

  writeFile: {
    ...onFiles,
    path: '/v1/capsules/{id}/files/write',
    summary: 'Write a file of up to 100 MB',
    body: { kind: 'multipart', limited: true },
    replies: { 204: empty },
    errors: [...inside, 'too_large', 'insufficient_storage'],
  },
  readFile: {
    ...onFiles,
    path: '/v1/capsules/{id}/files/read',
    summary: 'Read a file',
    body: json(pathSchema),
    replies: { 200: bytes },
    errors: [...inside],
  },
  streamWriteFile: {
    ...onFiles,
    path: '/v1/capsules/{id}/files/stream/write',
    summary: 'Write a file of any size; chunked bodies are welcome',
    body: { kind: 'multipart', limited: false },
    replies: { 204: empty },
    errors: [...inside, 'too_large', 'insufficient_storage'],
  },
  streamReadFile: {
    ...onFiles,
    path: '/v1/capsules/{id}/files/stream/read',
    summary: 'Read a file of any size',
    body: json(pathSchema),
    replies: { 200: bytes },
    errors: [...inside],
  },
  listFiles: {
    ...onFiles,
    path: '/v1/capsules/{id}/files/list',
    summary: 'List a directory',
    body: json(listFilesSchema),
    replies: { 200: json(fileListSchema) },
    errors: [...inside, 'too_large'],
  },
  makeDir: {
    ...onFiles,
    path: '/v1/capsules/{id}/files/mkdir',
    summary: 'Make a directory and its parents',
    body: json(pathSchema),
    replies: { 200: json(madeDirSchema) },
    errors: [...inside, 'conflict', 'insufficient_storage'],
    idempotencyKey: true,
  },
  removeFile: {
    ...onFiles,
    path: '/v1/capsules/{id}/files/remove',
    summary: 'Remove a file, or a directory with all that it holds',
    body: json(pathSchema),
    replies: { 204: empty },
    errors: [...inside],
  },

  createSnapshot: {
    ...onSnapshots,
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
    method: 'GET',
    path: '/v1/snapshots',
    summary: "List the team's templates and the platform's, newest first",
    query: z.object({ type: z.string().optional().describe('"base" or "snapshot"; any other gives an empty list.') }),
    replies: { 200: json(z.array(templateSchema)) },
    errors: [],
  },
  getSnapshot: {
    ...onSnapshots,
    method: 'GET',
    path: '/v1/snapshots/{name}',
    summary: 'Show a template',
    params: nameParams,
    replies: { 200: json(templateSchema) },
    errors: ['not_found'],
  },
  deleteSnapshot: {
    ...onSnapshots,
    method: 'DELETE',
    path: '/v1/snapshots/{name}',
    summary: 'Delete a template with all its versions; capsules that came from it are not touched',
    params: nameParams,
    replies: { 204: empty },
    errors: ['not_found', 'forbidden'],
  },
  listVersions: {
    ...onSnapshots,
    method: 'GET',
    path: '/v1/snapshots/{name}/versions',
    summary: 'List the versions of a template that are kept, newest first',
    params: nameParams,
    replies: { 200: json(z.array(versionSchema)) },
    errors: ['not_found'],
  },
  deleteVersion: {
    ...onSnapshots,
    method: 'DELETE',
    path: '/v1/snapshots/{name}/versions/{version}',
    summary: 'Delete an old version of a template',
    params: versionParams,
    replies: { 204: empty },
    errors: ['not_found', 'forbidden', 'conflict'],
  },
  rollbackSnapshot: {
    ...onSnapshots,
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
    method: 'POST',
    path: '/v1/snapshots/{name}/verify',
    summary: 'Read every part of a template and compare it with the digest that was taken when it was made',
    params: nameParams,
    body: optionalJson(verifySchema),
    replies: { 200: json(verificationSchema) },
    errors: ['not_found', 'host_unavailable'],
  },

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

export type RouteName = keyof typeof routes

/** Schemas that the OpenAPI document lists by name besides those of the routes. */
export const namedSchemas = {
  Capsule: capsuleSchema,
  Template: templateSchema,
  TemplateVersion: versionSchema,
  Verification: verificationSchema,
  ExecResult: execResultSchema,
  ExecStarted: execStartedSchema,
  ExecEvent: execEventSchema,
  Key: keySchema,
} as const
