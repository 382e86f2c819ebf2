/** What is done once in a guest that was just booted, so that no start from it is the first to do it. */
import type { Logger } from 'pino'
import { randomHex } from '@wrenn/wire'
import type { AgentChannel } from '../agent/channel.js'
import { renew } from '../agent/greet.js'
import { guestOf } from '../agent/guest.js'

/** How long it may take; under emulation it takes some two seconds. */
const WARM_MS = 60_000
/** As long as a capsule's name, so that a renewal's files are of their length already. */
const NAME = `cl-${'0'.repeat(25)}`
/** What most first commands are made of; what an image does not have is passed over. */
const PROGRAMS = 'cat cp cut date df echo env find git grep head id ls mkdir mv ps pwd rm sed sleep sort tail tar tr wc'
/**
 * Run where they read more than their own file; read where that is all. The second line is the smallest of all
 * commands.
 */
const LINES = [
  `exec >/dev/null 2>&1; bash -c :; python3 -c 'import json'; for p in ${PROGRAMS}; do cat "$(command -v $p)"; done`,
  'true',
]

/**
 * Renews the guest and runs commands in it: afterwards their files are in its page cache, and the files that a renewal
 * writes have their place on the disk. What fails of it costs speed and nothing else.
 */
export async function warmUp(channel: AgentChannel, log: Logger): Promise<void> {
  const signal = AbortSignal.timeout(WARM_MS)
  try {
    await renew(channel, { capsuleId: NAME, template: randomHex(8) })
    const guest = guestOf(channel)
    for (const line of LINES) {
      const { output } = await guest.exec({ cmd: '/bin/sh', args: ['-c', line] }, signal)
      for await (const _ of output);
    }
  } catch (err) {
    log.warn({ err }, 'an image could not be warmed up')
  }
}
