import { z } from 'zod'
import {
  execEventSchema,
  execResultSchema,
  execSchema,
  execStartedSchema,
  killSignals,
  outputStartSchema,
  processListSchema,
  selectorSchema,
  terminalSizeSchema,
} from '../exec.js'
import { empty, json, lines, rawBody, type Route } from '../route.js'
import { capsuleParams, inside } from './shared.js'

const onProcesses = { tag: 'Processes', auth: true, scope: 'run', params: capsuleParams } as const
export const processParams = capsuleParams.extend({ selector: selectorSchema.describe('An id, a pid or a tag.') })

export const processRoutes = {
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
  readOutput: {
    ...onProcesses,
    method: 'GET',
    path: '/v1/capsules/{id}/processes/{selector}/output',
    summary: 'Read what a program has written, and writes, from an offset; also one that ended a while ago',
    params: processParams,
    query: outputStartSchema,
    replies: { 200: lines(execEventSchema, 'One event a line: start, stdout, stderr, and at last exit or error.') },
    errors: [...inside],
  },

  writeStdin: {
    ...onProcesses,
    method: 'POST',
    path: '/v1/capsules/{id}/processes/{selector}/stdin',
    summary: 'Write to the stdin of a program, as fast as it reads; answered when all of it is taken',
    params: processParams,
    body: rawBody('application/octet-stream'),
    replies: { 204: empty },
    errors: [...inside, 'conflict'],
  },

  endStdin: {
    ...onProcesses,
    method: 'POST',
    path: '/v1/capsules/{id}/processes/{selector}/stdin/end',
    summary: 'Close the stdin of a program, behind what was written',
    params: processParams,
    replies: { 204: empty },
    errors: [...inside, 'conflict'],
  },

  resizeTerminal: {
    ...onProcesses,
    method: 'POST',
    path: '/v1/capsules/{id}/processes/{selector}/resize',
    summary: "Set the size of a program's terminal",
    params: processParams,
    body: json(terminalSizeSchema),
    replies: { 204: empty },
    errors: [...inside],
  },
} as const satisfies Record<string, Route>
