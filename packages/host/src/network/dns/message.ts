/** Messages of the domain name system (RFC 1035), parsed once. */
import { decode, encode, type Answer, type DecodedPacket } from 'dns-packet'

/** The longest question that is looked at; they are far shorter. */
export const MOST_QUESTION = 1232

export interface Question {
  id: number
  /** In the case in which it was asked. */
  name: string
  type: string
}

/** What an answer stands for. */
export interface Meaning {
  /** Every other name that the one asked for was said to be. */
  aliases: string[]
  addresses: string[]
}

const REFUSED = 5
const SERVER_FAILURE = 2
const RECURSION_AVAILABLE = 1 << 7

/** The one question of a message; undefined for everything else. */
export function questionIn(message: Buffer): Question | undefined {
  const packet = message.length <= MOST_QUESTION ? decoded(message) : undefined
  const [question] = packet?.questions ?? []
  if (packet?.type !== 'query' || packet.questions?.length !== 1 || !question || packet.opcode !== 'QUERY')
    return undefined
  return { id: packet.id ?? 0, name: question.name, type: question.type }
}

/** What a message says of a question; undefined when it is no answer to it. */
export function meaningOf(message: Buffer, { id, name, type }: Question): Meaning | undefined {
  const packet = decoded(message)
  const [asked] = packet?.questions ?? []
  if (packet?.type !== 'response' || packet.id !== id) return undefined
  // Some resolvers leave the question out of an error.
  if (asked && (!isSame(asked.name, name) || asked.type !== type)) return undefined
  const of = (kind: Answer['type']) =>
    (packet.answers ?? []).flatMap((one) =>
      one.type === kind && 'data' in one && typeof one.data === 'string' ? [one.data] : [],
    )
  return { aliases: [...of('CNAME'), ...of('DNAME')], addresses: of('A') }
}

/** An answer without content: that the name is refused, that nobody could say, or that there is no such record. */
export function emptyAnswer({ id, name, type }: Question, what: 'refused' | 'failed' | 'none'): Buffer {
  const code = { refused: REFUSED, failed: SERVER_FAILURE, none: 0 }[what]
  return encode({
    type: 'response',
    id,
    flags: RECURSION_AVAILABLE | code,
    questions: [{ name, type: type as 'A' }],
  })
}

/** The same message under another id. */
export function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message)
  copy.writeUInt16BE(id, 0)
  return copy
}

function decoded(message: Buffer): (DecodedPacket & { opcode?: string }) | undefined {
  try {
    return decode(message)
  } catch {
    return undefined
  }
}

function isSame(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase()
}
