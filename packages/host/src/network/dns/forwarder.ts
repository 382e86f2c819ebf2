/**
 * The resolver of the capsules. It asks the host's resolvers in their place, so that no capsule has to reach those, and knows
 * by the address that a question comes from whose policy counts.
 */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import type { NetworkPolicy } from '@wrenn/wire'
import type { Logger } from 'pino'
import { judge } from '../policy.js'
import { emptyAnswer, questionIn } from './message.js'
import { frame, messagesOf } from './stream.js'
import { askUpstream, type Asked, type Transport } from './upstream.js'

/** How many questions of one capsule may wait for an answer, and how many of all. */
const MOST_WAITING = { each: 64, all: 2048 }
/** How many connections may be open. */
const MOST_CONNECTIONS = { each: 8, all: 512 }
/** How long a connection may be silent. */
const SILENCE_MS = 10_000
/** How many other ports are tried when the wanted one is taken. */
const TRIES = 8

/** Who asks, as far as names go. */
export interface Client {
  readonly policy: NetworkPolicy
  /** Opens the addresses that a name stands for, before the answer is sent. */
  openFor(name: string, addresses: readonly string[]): Promise<void>
}

export interface ForwarderOptions {
  /** The client at an address; undefined when there is none. */
  clientAt: (address: string) => Client | undefined
  resolvers: () => readonly string[]
  log: Logger
}

export class Forwarder {
  readonly #options: ForwarderOptions
  readonly #waiting = new Tally(MOST_WAITING)
  readonly #connections = new Tally(MOST_CONNECTIONS)
  readonly #open = new Set<Socket>()
  #udp!: UdpSocket
  #tcp!: Server

  constructor(options: ForwarderOptions) {
    this.#options = options
  }

  /** Listens over UDP and TCP at the same port: the wanted one, or another. Resolves with it. */
  async listen(address: string, wanted = 0): Promise<number> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#listen(address, attempt === 0 ? wanted : 0)
      } catch (error) {
        await this.close()
        if (attempt === TRIES) throw error
      }
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy()
    await Promise.all([
      new Promise<void>((resolve) => (this.#tcp?.listening ? this.#tcp.close(() => resolve()) : resolve())),
      new Promise<void>((resolve) => closed(this.#udp, resolve)),
    ])
  }

  async #listen(address: string, wanted: number): Promise<number> {
    this.#udp = createSocket('udp4')
    this.#tcp = createServer((socket) => void this.#serve(socket))
    this.#udp.bind(wanted, address)
    await once(this.#udp, 'listening')
    const { port } = this.#udp.address()
    this.#tcp.listen(port, address)
    await once(this.#tcp, 'listening')
    const { log } = this.#options
    this.#udp.on('error', (err) => log.error({ err }, 'the resolver failed'))
    this.#tcp.on('error', (err) => log.error({ err }, 'the resolver failed'))
    this.#udp.on('message', (message, from) => void this.#answerUdp(message, from))
    return port
  }

  async #answerUdp(message: Buffer, { address, port }: RemoteInfo): Promise<void> {
    const answer = await this.#answer(message, address, 'udp')
    if (answer) this.#udp.send(answer, port, address, () => {})
  }

  async #serve(socket: Socket): Promise<void> {
    const { remoteAddress: address = '' } = socket
    socket.on('error', () => {}).setTimeout(SILENCE_MS, () => socket.destroy())
    if (!this.#options.clientAt(address) || !this.#connections.enter(address)) return void socket.destroy()
    this.#open.add(socket)
    try {
      for await (const message of messagesOf(socket)) {
        const answer = await this.#answer(message, address, 'tcp')
        if (!answer) break
        // One who asks and does not read is cut.
        if (!socket.write(frame(answer))) break
      }
    } catch {
      // It broke: there is nobody to tell.
    } finally {
      socket.destroySoon()
      this.#open.delete(socket)
      this.#connections.leave(address)
    }
  }

  /** The answer to a message; undefined for what deserves none. */
  async #answer(message: Buffer, address: string, transport: Transport): Promise<Buffer | undefined> {
    const client = this.#options.clientAt(address)
    const question = client && questionIn(message)
    if (!question || !this.#waiting.enter(address)) return undefined
    try {
      return await this.#answerTo(client, { question, message, transport })
    } catch (err) {
      this.#options.log.debug({ err }, 'a name could not be asked for')
      return emptyAnswer(question, 'failed')
    } finally {
      this.#waiting.leave(address)
    }
  }

  async #answerTo(client: Client, asked: Asked): Promise<Buffer> {
    const { question } = asked
    if (judge(client.policy, question.name) === 'refuse') return emptyAnswer(question, 'refused')
    // No capsule reaches anything over IPv6.
    if (question.type === 'AAAA') return emptyAnswer(question, 'none')
    const { message, meaning } = await askUpstream(this.#options.resolvers(), asked)
    // The policy may have changed meanwhile; and what is denied may not be had by another name.
    const verdict = judge(client.policy, question.name)
    const isDenied = meaning.aliases.some((name) => judge({ ...client.policy, internet: true }, name) === 'refuse')
    if (verdict === 'refuse' || isDenied) return emptyAnswer(question, 'refused')
    if (verdict === 'open') await client.openFor(question.name, meaning.addresses)
    return message
  }
}

/** Counts what is there of each, and of all together. */
class Tally {
  readonly #of = new Map<string, number>()
  #all = 0

  constructor(private readonly most: { each: number; all: number }) {}

  /** Whether there was room for another. */
  enter(who: string): boolean {
    const count = this.#of.get(who) ?? 0
    if (count >= this.most.each || this.#all >= this.most.all) return false
    this.#of.set(who, count + 1)
    this.#all++
    return true
  }

  leave(who: string): void {
    const count = this.#of.get(who)! - 1
    if (count > 0) this.#of.set(who, count)
    else this.#of.delete(who)
    this.#all--
  }
}

function closed(socket: UdpSocket | undefined, done: () => void): void {
  try {
    if (socket) socket.close(done)
    else done()
  } catch {
    // It was never open.
    done()
  }
}
