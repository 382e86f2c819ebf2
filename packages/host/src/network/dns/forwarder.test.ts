import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { NetworkPolicy } from '@wrenn/wire'
import { decode, encode, type Answer } from 'dns-packet'
import { pino } from 'pino'
import { afterEach, expect, test } from 'vitest'
import { Forwarder } from './forwarder.js'
import { frame, messagesOf } from './stream.js'

const LOOPBACK = '127.0.0.1'
const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

type Reply = (message: Buffer, transport: 'udp' | 'tcp') => Buffer[]

/** A resolver that answers as it is told; resolves with where it is. */
async function resolver(reply: Reply): Promise<string> {
  const udp = createSocket('udp4').bind(0, LOOPBACK)
  await once(udp, 'listening')
  const { port } = udp.address()
  udp.on('message', (message, from) => {
    for (const one of reply(message, 'udp')) udp.send(one, from.port, from.address)
  })
  const tcp = createServer((socket) => {
    const serve = async () => {
      for await (const message of messagesOf(socket)) for (const one of reply(message, 'tcp')) socket.write(frame(one))
    }
    serve().catch(() => {})
  }).listen(port, LOOPBACK)
  await once(tcp, 'listening')
  ends.push(
    () => udp.close(),
    () => tcp.close(),
  )
  return `${LOOPBACK}:${port}`
}

const saying =
  (answers: Answer[], flags = 0): Reply =>
  (message) => {
    const { id, questions } = decode(message)
    return [encode({ type: 'response', id: id!, flags, questions: questions!, answers })]
  }

interface Forwarding {
  port: number
  opened: [string, readonly string[]][]
  policy: NetworkPolicy
}

async function forward(resolvers: string[], policy: Partial<NetworkPolicy> = {}): Promise<Forwarding> {
  const forwarding: Forwarding = { port: 0, opened: [], policy: { internet: true, allow: [], deny: [], ...policy } }
  const client = {
    get policy() {
      return forwarding.policy
    },
    openFor: async (name: string, addresses: readonly string[]) => void forwarding.opened.push([name, addresses]),
  }
  const forwarder = new Forwarder({
    clientAt: (address) => (address === LOOPBACK ? client : undefined),
    resolvers: () => resolvers,
    log: pino({ level: 'silent' }),
  })
  forwarding.port = await forwarder.listen(LOOPBACK)
  ends.push(() => forwarder.close())
  return forwarding
}

const question = (name: string, type: 'A' | 'AAAA' = 'A', id = 4711) =>
  encode({ type: 'query', id, flags: 1 << 8, questions: [{ name, type }] })

async function ask(port: number, ...messages: Buffer[]): Promise<Buffer> {
  const socket = createSocket('udp4')
  try {
    for (const message of messages) socket.send(message, port, LOOPBACK)
    const [answer] = (await once(socket, 'message', { signal: AbortSignal.timeout(10_000) })) as [Buffer]
    return answer
  } finally {
    socket.close()
  }
}

const codeOf = (message: Buffer) => message.readUInt16BE(2) & 15
const REFUSED = 5
const FAILED = 2

test('a question is asked of the resolver, and its answer comes under the id of the question', async () => {
  const { port, opened } = await forward([await resolver(saying([{ type: 'A', name: 'a.test', data: '192.0.2.7' }]))])
  const answer = decode(await ask(port, question('a.test')))
  expect(answer).toMatchObject({ type: 'response', id: 4711, answers: [{ data: '192.0.2.7' }] })
  expect(opened).toEqual([])
})

test('what the policy does not allow is refused, and the resolver never hears of it', async () => {
  let asked = 0
  const counting: Reply = (message) => (asked++, saying([])(message, 'udp'))
  const { port } = await forward([await resolver(counting)], { internet: false, allow: ['a.test'], deny: ['b.test'] })
  for (const name of ['b.test', 'B.TEST', 'c.test', 'x.a.test'])
    expect(codeOf(await ask(port, question(name)))).toBe(REFUSED)
  expect(asked).toBe(0)
  expect(codeOf(await ask(port, question('A.test')))).toBe(0)
  expect(asked).toBe(1)
})

test('the addresses of a name that is allowed are open before the answer comes', async () => {
  const answers: Answer[] = [
    { type: 'CNAME', name: 'a.test', data: 'b.test' },
    { type: 'A', name: 'b.test', data: '192.0.2.7' },
    { type: 'A', name: 'b.test', data: '192.0.2.8' },
  ]
  const { port, opened } = await forward([await resolver(saying(answers))], { internet: false, allow: ['a.test'] })
  await ask(port, question('a.test'))
  expect(opened).toEqual([['a.test', ['192.0.2.7', '192.0.2.8']]])
})

test('an alias of a name that is denied is refused', async () => {
  const answers: Answer[] = [{ type: 'CNAME', name: 'a.test', data: 'b.test' }]
  const { port } = await forward([await resolver(saying(answers))], { deny: ['b.test'] })
  expect(codeOf(await ask(port, question('a.test')))).toBe(REFUSED)
})

test('a policy that changes while the resolver thinks counts for the answer', async () => {
  const forwarding: Partial<Forwarding> = {}
  const closing: Reply = (message) => {
    forwarding.policy = Object.assign(made.policy, { internet: false })
    return saying([])(message, 'udp')
  }
  const made = await forward([await resolver(closing)])
  expect(codeOf(await ask(made.port, question('a.test')))).toBe(REFUSED)
})

test('there are no addresses of IPv6', async () => {
  const { port } = await forward([])
  const answer = await ask(port, question('a.test', 'AAAA'))
  expect(decode(answer)).toMatchObject({ id: 4711, answers: [] })
  expect(codeOf(answer)).toBe(0)
})

test('answers to other questions, and what is none, count for nothing', async () => {
  const wrong: Reply = (message) => {
    const { id } = decode(message)
    const other = encode({ type: 'response', id: id!, questions: [{ name: 'b.test', type: 'A' }] })
    return [Buffer.from('nonsense'), other, question('a.test', 'A', id)]
  }
  const { port } = await forward([await resolver(wrong)])
  expect(codeOf(await ask(port, question('a.test')))).toBe(FAILED)
})

test('what is no question is dropped, and the next question is answered', async () => {
  const { port } = await forward([await resolver(saying([]))])
  const loop = Buffer.from('12670100000100000000000003777777c00c00010001', 'hex')
  const response = encode({ type: 'response', id: 1, questions: [{ name: 'a.test', type: 'A' }] })
  const two = encode({
    type: 'query',
    id: 1,
    questions: [
      { name: 'a.test', type: 'A' },
      { name: 'b.test', type: 'A' },
    ],
  })
  const junk = [Buffer.alloc(0), Buffer.from([1]), Buffer.alloc(1500, 0xff), loop, response, two]
  for (let i = 0; i < 200; i++) junk.push(Buffer.from(Array.from({ length: i }, (_, j) => (i * 31 + j * 17) % 256)))
  expect(decode(await ask(port, ...junk, question('a.test')))).toMatchObject({ id: 4711 })
})

test('when one resolver is silent the next is asked; when none is there, that is said', async () => {
  const silent = await resolver(() => [])
  const { port } = await forward([silent, await resolver(saying([{ type: 'A', name: 'a.test', data: '192.0.2.7' }]))])
  expect(decode(await ask(port, question('a.test')))).toMatchObject({ answers: [{ data: '192.0.2.7' }] })
  const lonely = await forward([])
  expect(codeOf(await ask(lonely.port, question('a.test')))).toBe(FAILED)
})

test('over TCP questions are answered one after the other, also long ones', async () => {
  const many = Array.from({ length: 200 }, (_, i): Answer => ({ type: 'A', name: 'a.test', data: `192.0.2.${i}` }))
  const { port } = await forward([
    await resolver((message, transport) => (transport === 'tcp' ? saying(many)(message, transport) : [])),
  ])
  const socket = connect(port, LOOPBACK)
  ends.push(() => socket.destroy())
  const both = Buffer.concat([frame(question('a.test', 'A', 1)), frame(question('a.test', 'A', 2))])
  for (const byte of [both.subarray(0, 1), both.subarray(1)]) socket.write(byte)
  const ids: number[] = []
  for await (const answer of messagesOf(socket)) {
    const { id, answers } = decode(answer)
    expect(answers).toHaveLength(200)
    if (ids.push(id!) === 2) break
  }
  expect(ids).toEqual([1, 2])
})

test('nobody has more than so many questions and connections at once, and others are served all the same', async () => {
  const waiting: (() => void)[] = []
  const udp = createSocket('udp4').bind(0, LOOPBACK)
  await once(udp, 'listening')
  ends.push(() => udp.close())
  udp.on('message', (message, from) => {
    waiting.push(() => udp.send(saying([])(message, 'udp')[0]!, from.port, from.address))
  })
  const { port } = await forward([`${LOOPBACK}:${udp.address().port}`])
  const socket = createSocket('udp4').bind(0, LOOPBACK)
  ends.push(() => socket.close())
  let answered = 0
  socket.on('message', () => answered++)
  for (let i = 0; i < 200; i++) socket.send(question('a.test', 'A', i), port, LOOPBACK)
  await expect.poll(() => waiting.length).toBe(64)
  for (const answer of waiting.splice(0)) answer()
  await expect.poll(() => answered).toBe(64)

  const connections = Array.from({ length: 12 }, () => connect(port, LOOPBACK).on('error', () => {}))
  ends.push(() => connections.forEach((one) => one.destroy()))
  let cut = 0
  for (const one of connections) one.on('close', () => cut++)
  await expect.poll(() => cut).toBe(4)
})
