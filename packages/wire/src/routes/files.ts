import {
  entrySchema,
  fileChangeSchema,
  fileListSchema,
  listFilesSchema,
  moveFileSchema,
  pathSchema,
  watchFilesSchema,
} from '../files.js'
import { bytes, empty, json, lines, rawBody, tar, type Route } from '../route.js'
import { capsuleParams, inside } from './shared.js'

const onFiles = { tag: 'Files', auth: true, scope: 'run', params: capsuleParams, method: 'POST' } as const

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
  statFile: {
    ...onFiles,
    path: '/v1/capsules/{id}/files/stat',
    summary: 'Show what is at a path; a link itself, not what it leads to',
    body: json(pathSchema),
    replies: { 200: json(entrySchema) },
    errors: [...inside],
  },

  moveFile: {
    ...onFiles,
    path: '/v1/capsules/{id}/files/move',
    summary: 'Move a file, or a directory with all that it holds',
    body: json(moveFileSchema),
    replies: { 200: json(entrySchema) },
    errors: [...inside, 'conflict', 'insufficient_storage'],
    idempotencyKey: true,
  },

  watchFiles: {
    ...onFiles,
    path: '/v1/capsules/{id}/files/watch',
    summary: 'Tell what changes in a directory, until the connection is closed or the directory is gone',
    body: json(watchFilesSchema),
    replies: {
      200: lines(
        fileChangeSchema,
        'A change a line. An empty line comes as soon as the directory is watched, and every 30 s to keep the connection.',
      ),
    },
    errors: [...inside],
  },

  readTar: {
    ...onFiles,
    path: '/v1/capsules/{id}/files/tar/read',
    summary: 'Read a directory, or a file, as a tar archive',
    body: json(pathSchema),
    replies: { 200: tar },
    errors: [...inside],
  },

  writeTar: {
    ...onFiles,
    path: '/v1/capsules/{id}/files/tar/write',
    summary: 'Lay out a tar archive of any size below a directory, which is made; chunked bodies are welcome',
    query: pathSchema,
    body: rawBody('application/x-tar'),
    replies: { 204: empty },
    errors: [...inside, 'conflict', 'insufficient_storage'],
  },
} as const satisfies Record<string, Route>
