import { expect, test } from 'vitest'
import { templateBody, versionBody } from '../testing/bodies.js'
import { refusal, scripted } from '../testing/scripted.js'

const api = scripted()

test('the history of a template tells what each version is', async () => {
  const versions = [
    versionBody(3, { parent: 'minimal', unique_bytes: 1024, damage: 'memory is short' }),
    versionBody(2, { current: true, parent: 'trained', parent_version: 1, last_used_at: '2030-01-05T00:00:00.000Z' }),
  ]
  api.script = { 'GET /v1/snapshots/trained/versions': { json: versions } }
  const { code, out } = await api.wrenn(['snapshot', 'history', 'trained'])
  const [head, third, second] = out.split('\n')
  expect(code).toBe(0)
  expect(head).toMatch(/^VERSION +SIZE +UNIQUE +FROM +AGE +LAST USED +NOTE$/)
  expect(third).toMatch(/^3 +2\.0 MiB +1\.0 KiB +minimal +.* +never +damaged: memory is short$/)
  expect(second).toMatch(/^2 +2\.0 MiB +trained@1 +.* +current$/)
  expect(JSON.parse((await api.wrenn(['snapshot', 'history', 'trained', '--json'])).out)).toEqual(versions)
})

test('a name is moved back by one, or to a given version', async () => {
  api.script = { 'POST /v1/snapshots/trained/rollback': { json: templateBody({ version: 2 }) } }
  const done = { code: 0, out: 'trained  (version 2)\n', err: '' }
  expect(await api.wrenn(['snapshot', 'rollback', 'trained'])).toEqual(done)
  expect(await api.wrenn(['snapshot', 'rollback', 'trained', '2'])).toEqual(done)
  expect(api.asked.map(({ json }) => json)).toEqual([{}, { version: 2 }])
  expect((await api.wrenn(['snapshot', 'rollback', 'trained', 'two'])).code).toBe(2)
})

test('a version that is not kept is an error', async () => {
  api.script = { 'POST /v1/snapshots/trained/rollback': refusal(404, 'not_found', 'There is no version 9.') }
  expect(await api.wrenn(['snapshot', 'rollback', 'trained', '9'])).toEqual({
    code: 1,
    out: '',
    err: 'error: There is no version 9. (not_found, req-1)\n',
  })
})

test('a verification names every part, and ends with 1 where one is damaged', async () => {
  const parts = [
    { name: 'memory', bytes: 2048, ok: true },
    { name: 'disk', bytes: 1024, ok: true },
  ]
  const call = 'POST /v1/snapshots/trained/verify'
  api.script = { [call]: { json: { name: 'trained', version: 3, ok: true, parts } } }
  expect(await api.wrenn(['snapshot', 'verify', 'trained'])).toEqual({
    code: 0,
    out: 'PART    SIZE     STATE\nmemory  2.0 KiB  ok\ndisk    1.0 KiB  ok\ntrained@3 is whole.\n',
    err: '',
  })
  parts[1] = { ...parts[1]!, ok: false, ...{ problem: 'it is 12 bytes short' } }
  api.script = { [call]: { json: { name: 'trained', version: 2, ok: false, parts } } }
  const { code, out } = await api.wrenn(['snapshot', 'verify', 'trained@2'])
  expect([code, api.asked[1]!.json]).toEqual([1, { version: 2 }])
  expect(out).toContain('disk    1.0 KiB  it is 12 bytes short\ntrained@2 is damaged.\n')
  const asJson = await api.wrenn(['--json', 'snapshot', 'verify', 'trained@2'])
  expect([asJson.code, (JSON.parse(asJson.out) as { ok: boolean }).ok]).toEqual([1, false])
})
