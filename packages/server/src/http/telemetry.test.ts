/** What operators are told, and who counts as one. */
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createServer, type Server } from '../index.js'
import { Ask } from '../testing/ask.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
let ask: Ask
let second: Server | undefined
beforeEach(async () => {
  on = await serve()
  ask = new Ask(on)
})
afterEach(async () => {
  await second?.close()
  second = undefined
  await on.end()
})

const metrics = async (headers: Record<string, string> = {}, url = on.url) => {
  const response = await fetch(`${url}/metrics`, { headers })
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() }
}
/** The value of one series. */
const value = (text: string, series: string) =>
  Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.split(' ')[1],
  )

test('what is done is counted, without a word of teams and capsules', async () => {
  const id = await ask.capsule()
  await ask.pause(id)
  await ask.resume(id)
  await ask.snapshot({ sandbox_id: id, name: 'a', keep_source: true })
  await ask.of('exec', id, { json: { cmd: 'nothing' } })
  await ask.api.call('getCapsule', { params: { id: 'x' } })
  await ask.api.send('GET', '/nowhere')
  const { status, type, text } = await metrics()
  expect(status).toBe(200)
  expect(type).toContain('text/plain')
  const operation = (name: string) => value(text, `wrenn_operations_total{operation="${name}",outcome="success"}`)
  for (const name of ['capsule.create', 'capsule.pause', 'capsule.resume', 'template.snapshot.create'])
    expect(operation(name), name).toBe(1)
  expect(value(text, 'wrenn_operations_total{operation="exec",outcome="error"}')).toBe(1)
  expect(value(text, 'wrenn_operation_duration_seconds_count{operation="capsule.pause"}')).toBe(1)
  expect(value(text, 'wrenn_http_requests_total{method="GET",route="/v1/capsules/{id}",status="400"}')).toBe(1)
  expect(value(text, 'wrenn_http_requests_total{method="GET",route="other",status="404"}')).toBe(1)
  expect(value(text, 'wrenn_errors_total{code="invalid_request"}')).toBe(1)
  expect(value(text, 'wrenn_capsules{status="running"}')).toBe(1)
  expect(value(text, 'wrenn_template_versions')).toBe(3)
  expect(value(text, 'wrenn_event_subscribers')).toBe(0)
  expect(text).toContain('process_cpu_seconds_total')
  expect(text).not.toMatch(/cl-[0-9a-z]{25}|team-[0-9a-z]{25}/)
})

test('those behind a proxy are not on this machine', async () => {
  const { status, text } = await metrics({ 'x-forwarded-for': '203.0.113.1' })
  expect(status).toBe(403)
  expect(JSON.parse(text).error.code).toBe('forbidden')
})

test('where there is a token it is needed by all, and enough for all', async () => {
  const metricsToken = 'a token of sixteen or more'
  const { store, host, clock } = on
  second = await createServer({
    store,
    host,
    version: '1',
    logger: pino({ level: 'silent' }),
    secret: new Uint8Array(32),
    clock,
    metricsToken,
  })
  const { url } = await second.listen({ host: '127.0.0.1', port: 0 })
  const bearer = `Bearer ${metricsToken}`
  const statuses = [{}, { authorization: 'Bearer wrong' }, { authorization: bearer }].map((one) => metrics(one, url))
  expect((await Promise.all(statuses)).map(({ status }) => status)).toEqual([403, 403, 200])
  expect((await metrics({ authorization: bearer, 'x-forwarded-for': '203.0.113.1' }, url)).status).toBe(200)
})

test('it is no route of the API', async () => {
  expect((await ask.api.send('GET', '/api/metrics')).status).toBe(404)
  const { status, headers } = await ask.api.send('POST', '/metrics')
  expect([status, headers.get('allow')]).toEqual([405, 'GET, HEAD'])
})
