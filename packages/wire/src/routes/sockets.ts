/** What is served over WebSockets. */
import { z } from 'zod'
import { outputStartSchema } from '../exec.js'
import type { ReplyBody, Route } from '../route.js'
import {
  authMessageSchema,
  ptyEventSchema,
  ptyInputSchema,
  ptyOpeningSchema,
  streamEventSchema,
  streamInputSchema,
  streamStartSchema,
} from '../streams.js'
import { processParams } from './processes.js'
import { capsuleParams, inside } from './shared.js'

const onSockets = { tag: 'Streams', auth: true, scope: 'run', method: 'GET', params: capsuleParams } as const

const auth = 'Without the header X-API-Key the first message is `auth`, within 5 s.'
const socket = (client: z.ZodType[], server: z.ZodType, description: string): ReplyBody => ({
  kind: 'socket',
  fromClient: z.union([authMessageSchema, ...client]),
  fromServer: server,
  description: `${description} ${auth}`,
})

export const socketRoutes = {
  execStream: {
    ...onSockets,
    path: '/v1/capsules/{id}/exec/stream',
    summary: 'Run a program over a WebSocket: its output as it comes, its stdin as it is given',
    replies: {
      101: socket(
        [streamStartSchema, streamInputSchema],
        streamEventSchema,
        'First the client sends `start`. After `exit` or `error` the server closes.',
      ),
    },
    errors: [...inside],
  },

  processStream: {
    ...onSockets,
    path: '/v1/capsules/{id}/processes/{selector}/stream',
    summary: 'Take up the output and the stdin of a program over a WebSocket',
    params: processParams,
    query: outputStartSchema,
    replies: {
      101: socket(
        [streamInputSchema],
        streamEventSchema,
        'What is kept of its output comes first. Leaving is harmless.',
      ),
    },
    errors: [...inside],
  },

  terminal: {
    ...onSockets,
    path: '/v1/capsules/{id}/pty',
    summary: 'A terminal over a WebSocket; its session outlives the connection',
    replies: {
      101: socket(
        [ptyOpeningSchema, ptyInputSchema],
        ptyEventSchema,
        'First the client sends `start` or `connect`. Binary messages are input too, and whoever sends one, or `pong`, gets output as binary messages.',
      ),
    },
    errors: [...inside],
  },
} as const satisfies Record<string, Route>
