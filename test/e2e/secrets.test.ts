/** What is secret is in no line of the log, however much is logged, and in no answer but the one that is to give it. */
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { makeLogger } from '@wrenn/server'
import { newKey, randomHex } from '@wrenn/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startFake, type FakeRunning } from '../support/wrenn.js'

let wrenn: FakeRunning
const lines: string[] = []
/** What was answered to whatever should not have worked, and to what should. */
const answers: string[] = []
const secrets: Record<string, string> = {}

beforeAll(async () => {
  const logger = makeLogger({ level: 'trace', to: { write: (line) => void lines.push(line) } })
  wrenn = await startFake(undefined, undefined, logger)
  secrets['the first key'] = wrenn.key
})
afterAll(() => wrenn.end())

/** A new secret, which has to stay one. */
function secret(what: string): string {
  return (secrets[what] = `s3cret-${randomHex(12)}`)
}

interface Asked {
  headers?: Record<string, string>
  body?: unknown
  /** Whether the answer is where a secret is given out. */
  isGiving?: boolean
}

async function ask(method: string, path: string, { headers = {}, body, isGiving = false }: Asked = {}) {
  const asking = request(wrenn.url + path, { method, agent: false, headers: { 'x-api-key': wrenn.key, ...headers } })
  asking.end(typeof body === 'string' ? body : JSON.stringify(body ?? {}))
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk as string
  if (!isGiving) answers.push(JSON.stringify(response.headers) + text)
  return { status: response.statusCode!, text }
}

/** Opens a WebSocket, says these things, and hears it until it is closed. */
async function say(path: string, messages: (object | string)[], headers: Record<string, string> = {}): Promise<void> {
  const socket = new WebSocket(wrenn.url.replace('http', 'ws') + path, { headers })
  socket.on('message', (data: Buffer) => answers.push(data.toString()))
  socket.on('error', () => {})
  socket.on('open', () => {
    for (const message of messages) socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  })
  await new Promise((resolve) => socket.once('close', resolve))
}

test('keys', async () => {
  const made = await ask('POST', '/v1/api-keys', { body: { name: 'a' }, isGiving: true })
  const { id, key } = JSON.parse(made.text) as { id: string; key: string }
  secrets['a key'] = key
  await ask('GET', '/v1/api-keys', { headers: { 'x-api-key': key } })
  await ask('DELETE', `/v1/api-keys/${id}`)
  await ask('GET', '/v1/capsules', { headers: { 'x-api-key': key } })
  secrets['an unknown key'] = newKey()
  await ask('GET', '/v1/capsules', { headers: { 'x-api-key': secrets['an unknown key'] } })
  await ask('GET', '/v1/capsules', { headers: { 'x-api-key': secret('a key of the wrong form') } })
  await ask('GET', `/v1/capsules?x-api-key=${secret('a key in a query')}`, { headers: { 'x-api-key': '' } })
  await ask('GET', '/v1/capsules', { headers: { 'x-api-key': '', authorization: `Bearer ${secret('a bearer')}` } })
  await ask('GET', '/metrics', { headers: { authorization: `Bearer ${secret('a token for the metrics')}` } })
  await ask('GET', `/v1/nowhere?token=${secret('a token for nowhere')}`)
})

test('variables, arguments and what is typed', async () => {
  const envs = { PASSWORD: secret('a variable of a capsule') }
  const { text } = await ask('POST', '/v1/capsules', { body: { envs } })
  const { id } = JSON.parse(text) as { id: string }
  const exec = (body: object, headers = {}) => ask('POST', `/v1/capsules/${id}/exec`, { body, headers })
  await exec({ cmd: 'true', envs: { A: secret('a variable of a command') } })
  await exec({ cmd: 'none', envs: { A: secret('a variable of no command') }, args: [secret('an argument')] })
  await exec({ cmd: 'true', envs: { B: 1, C: secret('a variable beside a wrong one') } })
  await exec({ cmd: 7, args: [secret('an argument of a malformed request')] })
  await ask('POST', `/v1/capsules/${id}/exec`, { body: `{"cmd":"true","envs":{"A":"${secret('half a body')}` })
  const stream = `/v1/capsules/${id}/exec/stream`
  await say(stream, [{ type: 'auth', token: secret('a wrong token') }])
  await say(stream, [`{"type":"auth","token":"${secret('a broken first message')}`])
  await say(stream, [{ type: 'start', envs: { A: secret('a start before its key') } }])
  const start = { type: 'start', cmd: 'none', envs: { A: secret('a variable of a stream') } }
  await say(stream, [{ type: 'auth', token: wrenn.key }, start])
  await say(stream, [{ ...start, cmd: 7 }], { 'x-api-key': wrenn.key })
})

test('tokens of ports, and idempotency keys', async () => {
  const { text } = await ask('POST', '/v1/capsules', { body: { proxy_auth: true }, isGiving: true })
  const { id, proxy_token: token } = JSON.parse(text) as { id: string; proxy_token: string }
  secrets['a token of a port'] = token
  const at = (path: string, headers: object) => ask('GET', path, { headers: { host: `80-${id}.x`, ...headers } })
  await at('/', { 'x-wrenn-token': token, 'x-api-key': '' })
  await at(`/?wrenn_token=${token}`, { 'x-api-key': '' })
  await at('/', { cookie: `wrenn_token=${token}`, 'x-api-key': '' })
  await at('/', { 'x-wrenn-token': secret('a wrong token of a port') })
  await at(`/?wrenn_token=${secret('a wrong token in a URL')}`, { 'x-api-key': '' })
  const headers = { 'idempotency-key': secret('an idempotency key') }
  await ask('POST', '/v1/capsules', { headers, body: {} })
  await ask('POST', '/v1/capsules', { headers, body: {} })
  await ask('POST', '/v1/capsules', { headers, body: { template: 'none' } })
})

test('failures of the server itself', async () => {
  const { text } = await ask('POST', '/v1/capsules')
  const { id } = JSON.parse(text) as { id: string }
  wrenn.host.guest = () => {
    const spec = { cmd: 'x', envs: { A: secret('variables in an error') } }
    const headers = { 'x-api-key': secret('a header in an error'), cookie: secret('a cookie in an error') }
    throw Object.assign(new Error('broken on purpose'), { spec, headers, apiKey: secret('a key in an error') })
  }
  expect((await ask('POST', `/v1/capsules/${id}/exec`, { body: { cmd: 'true' } })).status).toBe(500)
})

test('none of it was logged or answered', () => {
  expect(lines.join()).toContain('broken on purpose')
  expect(answers.length).toBeGreaterThan(25)
  expect(Object.keys(secrets).length).toBeGreaterThan(25)
  for (const [what, text] of Object.entries(secrets)) {
    expect(
      lines.filter((line) => line.includes(text)),
      `${what}, in the log`,
    ).toEqual([])
    // A cookie is where a browser's token goes.
    const told = answers.filter((answer) => answer.includes(text) && !answer.includes('set-cookie'))
    expect(told, `${what}, in an answer`).toEqual([])
  }
})
