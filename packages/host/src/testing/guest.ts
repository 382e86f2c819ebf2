/** A guest without a machine around it, for tests of what is said to its agent. */
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Duplex } from 'node:stream'
import type { Guest } from '@wrenn/wire'
import { AgentChannel } from '../agent/channel.js'
import { guestOf } from '../agent/guest.js'
import { FakeAgent } from '../vmm/fake/agent.js'
import { Gate } from '../vmm/fake/gate.js'
import { FakeGuest } from '../vmm/fake/guest.js'
import { answer } from '../vmm/fake/routes/index.js'
import { wire } from '../vmm/fake/wire.js'
import type { AgentPort, Vm } from '../vmm/types.js'

export interface TestGuest {
  guest: Guest
  channel: AgentChannel
  inside: FakeGuest
  /** What the guest's end of a port says besides. */
  say(port: AgentPort, bytes: Uint8Array): void
  /** Breaks the connection, as a restart of the host does. */
  cut(): void
  end(): void
}

type Serve = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void

/** @param serve how requests are answered, where that is not as the agent would */
export function testGuest(serve?: Serve): TestGuest {
  const inside = new FakeGuest()
  const agent = new FakeAgent(serve ?? ((stream, headers) => void answer(inside, stream, headers)))
  const ports: Partial<Record<AgentPort, Duplex>> = {}
  const inner: Partial<Record<AgentPort, Duplex>> = {}
  const openPort = async (port: AgentPort) => {
    ports[port]?.destroy()
    const { host, guest } = wire(new Gate())
    ports[port] = host
    inner[port] = guest
    agent.connected(port, guest)
    return host
  }
  const channel = new AgentChannel({ openPort } as unknown as Vm)
  const end = () => {
    channel.close()
    agent.end()
    inside.sessions.endAll()
  }
  const say = (port: AgentPort, bytes: Uint8Array) => void inner[port]?.write(bytes)
  return { guest: guestOf(channel), channel, inside, say, cut: () => channel.close(), end }
}

/** All that is there, as one. */
export async function whole(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts)
}

/** A source that gives what it is made of. */
export async function* source(...parts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part as string)
}
