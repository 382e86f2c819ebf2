/** The service that a template brings: it runs already in the memory that capsules are restored from. */
import type { ExecChunk } from '@wrenn/wire'
import { Problem } from '@wrenn/wire'
import type { AgentChannel } from '../agent/channel.js'
import { guestOf } from '../agent/guest.js'
import { abortable } from '../wait.js'
import type { Service } from './recipe.js'

interface Served {
  name: string
  service: Service
}

/** How much of what the check says is kept for the error. */
const TAIL = 4_000

/**
 * Starts an image's service and waits until its check says that it can be used.
 * @throws Problem `host_unavailable` when it does not come to that; the cause is what the check said
 */
export async function startService(channel: AgentChannel, image: Served, closing: AbortSignal): Promise<void> {
  const { start, tag, check, timeout_sec } = image.service
  const signal = AbortSignal.any([AbortSignal.timeout(timeout_sec * 1000), closing])
  const guest = guestOf(channel)
  try {
    await guest.spawn({ ...words(start), tag }, signal)
    const { output } = await guest.exec(words(check), signal)
    await abortable(passed(output), signal)
  } catch (cause) {
    closing.throwIfAborted()
    throw new Problem('host_unavailable', `What runs in ${image.name} did not start.`, { cause })
  }
}

function words([cmd, ...args]: Service['start']): { cmd: string; args: string[] } {
  return { cmd, args }
}

async function passed(output: AsyncIterable<ExecChunk>): Promise<void> {
  let said = ''
  for await (const chunk of output) {
    if (chunk.type !== 'exit') said = (said + Buffer.from(chunk.data).toString()).slice(-TAIL)
    else if (chunk.exitCode !== 0) throw new Error(`the check failed with exit code ${chunk.exitCode}: ${said.trim()}`)
  }
}
