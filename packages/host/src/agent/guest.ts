/** What may be done inside a capsule, over its agent. */
import type { Guest } from '@wrenn/wire'
import type { AgentChannel } from './channel.js'
import { filesOf } from './files.js'
import { programsOf } from './programs.js'
import { openTunnel } from './tunnel.js'

export function guestOf(channel: AgentChannel): Guest {
  return {
    ...programsOf(channel),
    ...filesOf(channel),
    connect: (port, signal) => openTunnel(channel, port, signal),
  }
}
