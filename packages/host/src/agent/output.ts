/** What programs write, as the agent tells it. */
import type { ClientHttp2Stream } from 'node:http2'
import { isProblem, Problem, type ExecChunk } from '@wrenn/wire'
import type { z } from 'zod'
import { within } from '../wait.js'
import { contentOf } from './body.js'
import { ANSWER_MS } from './channel.js'
import { decodeFrames, frameTypes, type Frame } from './frames.js'
import { exitedSchema, parsed, silent } from './shapes.js'

export interface Opened<T> {
  first: T
  /** Ends with exactly one `exit`. Leaving it drops the request. */
  output: AsyncGenerator<ExecChunk>
}

/** Reads the first frame of an answer, which says what the others are about. */
export async function openOutput<T extends z.ZodType>(
  { body, signal }: { body: ClientHttp2Stream; signal: AbortSignal },
  type: number,
  schema: T,
): Promise<Opened<z.output<T>>> {
  const frames = decodeFrames(contentOf(body, signal))
  try {
    const next = await within(ANSWER_MS, frames.next(), () => new Error(`no frame in ${ANSWER_MS} ms`))
    const frame = next.value as Frame | undefined
    if (frame?.type !== type) throw new Error('another frame comes first')
    return { first: parsed(schema, frame.payload), output: outputOf(frames, signal) }
  } catch (error) {
    // The frames themselves may still wait for the guest.
    body.destroy()
    signal.throwIfAborted()
    throw isProblem(error) ? error : silent('about a program', error)
  }
}

async function* outputOf(frames: AsyncGenerator<Frame>, signal: AbortSignal): AsyncGenerator<ExecChunk> {
  try {
    for await (const { type, payload } of frames) {
      if (type === frameTypes.stdout) yield { type: 'stdout', data: payload }
      else if (type === frameTypes.stderr) yield { type: 'stderr', data: payload }
      else if (type === frameTypes.exited) {
        const { exit_code, timed_out, duration_ms } = parsed(exitedSchema, payload)
        yield { type: 'exit', exitCode: exit_code, timedOut: timed_out, durationMs: duration_ms }
        return
      }
    }
  } catch (error) {
    signal.throwIfAborted()
    throw isProblem(error) ? error : silent('while the program ran', error)
  }
  throw new Problem('agent_error', 'The capsule was lost while the program ran.')
}
