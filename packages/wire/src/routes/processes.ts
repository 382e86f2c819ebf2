import { z } from 'zod'
import {
  execResultSchema,
  execSchema,
  execStartedSchema,
  killSignals,
  processListSchema,
  selectorSchema,
} from '../exec.js'
import { empty, json, type Route } from '../route.js'
import { capsuleParams, inside } from './shared.js'

const onProcesses = { tag: 'Processes', auth: true, params: capsuleParams } as const
const processParams = capsuleParams.extend({ selector: selectorSchema.describe('A pid or a tag.') })

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
} as const satisfies Record<string, Route>
