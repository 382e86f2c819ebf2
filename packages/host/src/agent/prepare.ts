/** Getting ready for a capture, and the programs in the capsule that take part in captures and restores. */
import type { ClientHttp2Stream } from 'node:http2'
import { isProblem, Problem, type HookResult } from '@wrenn/wire'
import { roomIn } from '../wait.js'
import type { AgentChannel } from './channel.js'
import { askHealth } from './health.js'
import { hooksSchema } from './shapes.js'

/** How long the agent may take: it gives hooks half of that. */
const HOOKS_MS = 60_000
/** After how many milliseconds it is asked whether the agent answers at all, and how long that may take. */
const doubts = { afterMs: 5_000, answerMs: 10_000 }
/** How much of a failed hook's output an error tells, in characters. */
const TOLD = 400
/**
 * What fills all buffers of the guest that our bytes go through: they are used in turn, and keep what they held. The port
 * has 1024 (the size that QEMU's virtio-mmio gives every queue) of 4 KiB. Where the stream halts, one is not filled to its
 * end and keeps what stood there: so all of them are filled twice, and some more.
 */
const RINSE_BYTES = 2.5 * 1024 * 4096
const ZEROS = Buffer.alloc(64 * 1024)

/**
 * Gets a guest ready for a capture: its programs are asked, what it holds back of its file systems is written, and where
 * secrets went to it, what is left of them on their way is overwritten.
 *
 * @param ms how long that may take without hooks
 * @param doubt when an agent that is silent is given up
 * @throws {Problem} `agent_error` when a hook fails, or it takes too long
 */
export async function prepare(channel: AgentChannel, ms: number, doubt = doubts): Promise<HookResult[]> {
  const limit = Math.max(ms, HOOKS_MS)
  const dead = new AbortController()
  const signal = AbortSignal.any([AbortSignal.timeout(limit), dead.signal])
  // Hooks may take long; an agent that is silent need not be waited for as long as that.
  const doubting = setTimeout(() => {
    askHealth(channel, AbortSignal.timeout(doubt.answerMs)).catch((error: unknown) => dead.abort(error))
  }, doubt.afterMs)
  const hasResidue = channel.hasResidue
  channel.hasResidue = false
  try {
    const ask = { method: 'POST', path: '/v1/prepare', signal, isEndless: true } as const
    const { hooks } = await channel.json(ask, hooksSchema, hasResidue ? rinse : undefined)
    const failed = hooks.find(({ exit_code }) => exit_code !== 0)
    if (failed) throw hookFailed(failed)
    return hooks
  } catch (error) {
    channel.hasResidue ||= hasResidue
    if (isProblem(error)) throw error
    throw new Problem('agent_error', `The capsule did not get ready for the capture in ${limit} ms.`, { cause: error })
  } finally {
    clearTimeout(doubting)
  }
}

async function rinse(body: ClientHttp2Stream): Promise<void> {
  for (let sent = 0; sent < RINSE_BYTES && !body.destroyed; sent += ZEROS.length) {
    if (!body.write(ZEROS)) await roomIn(body)
  }
  body.end()
}

/** Runs what is to run after a restore. What fails of it is told and nothing else. */
export async function runAfterRestore(channel: AgentChannel): Promise<HookResult[]> {
  const signal = AbortSignal.timeout(HOOKS_MS)
  const ask = { method: 'POST', path: '/v1/after-restore', signal, isEndless: true } as const
  return (await channel.json(ask, hooksSchema)).hooks
}

function hookFailed({ name, exit_code, timed_out, output }: HookResult): Problem {
  const how = timed_out ? 'did not end in time' : exit_code === undefined ? 'was not run' : `failed (${exit_code})`
  const said = output.trim().slice(-TOLD)
  return new Problem('agent_error', `The hook /etc/wrenn/before-snapshot.d/${name} ${how}${said && `: ${said}`}`, {
    hint: 'The capsule runs on. Mend the hook, or remove it, and try again.',
  })
}
