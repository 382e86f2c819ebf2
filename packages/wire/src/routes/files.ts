import { fileListSchema, listFilesSchema, entrySchema, pathSchema } from '../files.js'
import { bytes, empty, json, type Route } from '../route.js'
import { capsuleParams, inside } from './shared.js'

const onFiles = { tag: 'Files', auth: true, params: capsuleParams, method: 'POST' } as const

export const fileRoutes = {
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
    replies: { 200: json(entrySchema) },
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
} as const satisfies Record<string, Route>
