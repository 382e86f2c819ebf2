/** The resolvers that are asked in a capsule's place: the host's own. */
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns'
import { once } from 'node:events'
import { connect, isIPv6 } from 'node:net'
import { meaningOf, withId, type Meaning, type Question } from './message.js'
import { frame, messagesOf } from './stream.js'

/** How long each resolver may take, in milliseconds. */
const ANSWER_MS = 2_500
/** How long what the host's configuration said is believed. */
const CONFIGURED_MS = 10_000
const PORT = 53

export type Transport = 'udp' | 'tcp'

export interface Asked {
  question: Question
  /** The message as it came. */
  message: Buffer
  transport: Transport
}

export interface Answered {
  /** The message as it came, under the question's id. */
  message: Buffer
  meaning: Meaning
}

/** Asks one resolver after the other. @throws when none answers */
export async function askUpstream(resolvers: readonly string[], asked: Asked): Promise<Answered> {
  let failure: unknown = new Error('the host has no resolver')
  for (const resolver of resolvers) {
    try {
      return await ask(parseResolver(resolver), asked, AbortSignal.timeout(ANSWER_MS))
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

/** The host's resolvers, looked up again from time to time: they change while a machine runs. */
export function hostResolvers(): () => string[] {
  let [found, until]: [string[], number] = [[], 0]
  return () => {
    if (performance.now() > until) [found, until] = [new Resolver().getServers(), performance.now() + CONFIGURED_MS]
    return found
  }
}

/** Takes `192.0.2.1`, `192.0.2.1:53`, `2001:db8::1` or `[2001:db8::1]:53` apart. */
export function parseResolver(text: string): { address: string; port: number } {
  const [, bracketed, plain, port = String(PORT)] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? []
  return { address: bracketed ?? plain ?? text, port: Number(port) }
}

interface Place {
  address: string
  port: number
}

async function ask(place: Place, { question, message, transport }: Asked, signal: AbortSignal): Promise<Answered> {
  // An id and a port that nobody can guess: nobody else can answer.
  const id = randomInt(0x1_00_00)
  const answers = (transport === 'udp' ? overUdp : overTcp)(place, withId(message, id), signal)
  for await (const answer of answers) {
    const meaning = meaningOf(answer, { ...question, id })
    if (meaning) return { message: withId(answer, question.id), meaning }
  }
  throw new Error(`${place.address} did not answer`)
}

async function* overUdp({ address, port }: Place, message: Buffer, signal: AbortSignal): AsyncGenerator<Buffer> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  const failed = once(socket, 'error').then(([error]) => Promise.reject(error as Error))
  failed.catch(() => {})
  try {
    socket.connect(port, address)
    await Promise.race([once(socket, 'connect', { signal }), failed])
    const answer = once(socket, 'message', { signal })
    socket.send(message)
    // Whatever else comes to this port is not from the resolver, or is an answer to nothing: one is enough.
    const [received] = (await Promise.race([answer, failed])) as [Buffer]
    yield received
  } finally {
    socket.close()
  }
}

async function* overTcp({ address, port }: Place, message: Buffer, signal: AbortSignal): AsyncGenerator<Buffer> {
  const socket = connect({ host: address, port, signal })
  socket.on('error', () => {})
  try {
    await once(socket, 'connect', { signal })
    socket.write(frame(message))
    yield* messagesOf(socket)
  } finally {
    socket.destroy()
  }
}
