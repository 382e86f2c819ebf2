/** A server that dies at any step of anything: what it leaves is as before that, or as after it, and all of it is whole. */
import { expect, test } from 'vitest'
import type { Answer } from '../../../../test/support/api.js'
import { Ask } from '../testing/ask.js'
import { MemoryHost } from '../testing/memory-host.js'
import { Moments, type Moment } from '../testing/moments.js'
import { serve, type Serving } from '../testing/serve.js'
import { paused, subject } from '../testing/subjects.js'
import { audit, expectPart, useAndRemove, whatIsThere } from '../testing/whole.js'

interface Operation {
  what: string
  /** How many steps it has at least: were fewer found, then they are not all seen. */
  steps: number
  /** Makes what it is done to, and gives the id of that. */
  prepare?: (ask: Ask) => Promise<string>
  run: (ask: Ask, subject: string, on: Serving) => Promise<unknown>
  /** Whether it may be asked for again, and is done once all the same: it gives its answer. */
  isRepeatable?: true
  /** Whether each of the capsules that it makes is one for itself. */
  inParts?: true
}

const twice = async (ask: Ask, more: object = {}) => {
  await ask.made('a', 'one', more)
  await ask.made('a', 'two', more)
  return subject(ask)
}
const key = { headers: { 'idempotency-key': 'once' } }

const operations: Operation[] = [
  { what: 'a start from an image', steps: 4, run: (ask) => ask.capsule() },
  {
    what: 'a start from a snapshot',
    steps: 4,
    prepare: twice,
    run: (ask) => ask.capsule({ template: 'a@1' }),
  },
  {
    what: 'a start that is asked for with an Idempotency-Key',
    steps: 5,
    isRepeatable: true,
    run: (ask) => ask.api.call('createCapsule', { json: {}, ...key }),
  },
  {
    what: 'a fork that is asked for with an Idempotency-Key',
    steps: 4 + 2 * 2,
    prepare: subject,
    isRepeatable: true,
    inParts: true,
    run: (ask, id) => ask.of('forkCapsule', id, { json: { count: 2 }, ...key }),
  },
  {
    what: 'a snapshot that is asked for with an Idempotency-Key',
    steps: 4,
    prepare: subject,
    isRepeatable: true,
    run: (ask, id) => ask.api.call('createSnapshot', { json: { sandbox_id: id, name: 'a' }, ...key }),
  },
  {
    what: 'a snapshot without a name that is asked for with an Idempotency-Key',
    steps: 4,
    prepare: subject,
    isRepeatable: true,
    run: (ask, id) => ask.api.call('createSnapshot', { json: { sandbox_id: id, keep_source: true }, ...key }),
  },
  {
    what: 'a snapshot',
    steps: 4,
    prepare: subject,
    run: (ask, id) => ask.snapshot({ sandbox_id: id, name: 'a' }),
  },
  {
    what: 'a snapshot that keeps its source',
    steps: 4,
    prepare: subject,
    run: (ask, id) => ask.snapshot({ sandbox_id: id, name: 'a', keep_source: true }),
  },
  {
    what: 'an overwrite by which an old version is too many',
    steps: 6,
    prepare: (ask) => twice(ask, { keep_versions: 2 }),
    run: (ask, id) => ask.snapshot({ sandbox_id: id, name: 'a' }, '?overwrite=true'),
  },
  {
    what: 'a fork',
    steps: 4 + 3 * 2,
    prepare: subject,
    run: (ask, id) => ask.fork(id, { count: 3 }),
    inParts: true,
  },
  { what: 'a pause', steps: 4, prepare: subject, run: (ask, id) => ask.pause(id) },
  {
    what: 'a pause for idleness',
    steps: 4,
    prepare: (ask) => subject(ask, { timeout_sec: 60 }),
    run: async (ask, id, { clock }) => {
      clock.advance(61)
      await expect.poll(() => ask.status(id)).toBe('paused')
    },
  },
  { what: 'a resume', steps: 5, prepare: paused, run: (ask, id) => ask.resume(id) },
  { what: 'a delete of a running capsule', steps: 3, prepare: subject, run: (ask, id) => ask.remove(id) },
  { what: 'a delete of a paused capsule', steps: 4, prepare: paused, run: (ask, id) => ask.remove(id) },
  { what: 'a delete of a template', steps: 5, prepare: twice, run: (ask) => ask.removeTemplate('a') },
  { what: 'a delete of a version', steps: 3, prepare: twice, run: (ask) => ask.removeVersion('a', 1) },
  { what: 'a rollback', steps: 1, prepare: twice, run: (ask) => ask.rollback('a') },
  {
    what: 'an expiry',
    steps: 5,
    prepare: (ask) => twice(ask, { expires_in: 60 }),
    run: async (ask, _, { clock }) => {
      clock.advance(61)
      await expect.poll(async () => (await ask.template('a')).status).toBe(404)
    },
  },
  {
    what: 'a change of a network',
    steps: 3,
    prepare: subject,
    run: (ask, id) => ask.of('setNetwork', id, { json: { internet: false, allow: ['10.0.0.0/8'] } }),
  },
  {
    what: 'the making of a key that is asked for with an Idempotency-Key',
    steps: 2,
    isRepeatable: true,
    run: (ask) => ask.api.call('createKey', { json: { name: 'another' }, ...key }),
  },
  { what: 'the making of a key', steps: 1, run: (ask) => ask.api.call('createKey', { json: { name: 'another' } }) },
  {
    what: 'the revocation of a key',
    steps: 1,
    prepare: async (ask) => (await ask.api.call('createKey', { json: { name: 'another' } })).body.id as string,
    run: (ask, id) => ask.of('revokeKey', id),
  },
]

test.each(operations)('$what is done, or not, at whatever step the server dies', async (operation) => {
  const moments = new Moments()
  const host = new MemoryHost()
  const on = await serve(moments.around(host))
  try {
    const ask = new Ask(on)
    ask.note(await ask.capsule({ metadata: { is: 'a bystander' } }), 'bystander')
    await ask.made('kept', 'kept')
    const id = (await operation.prepare?.(ask)) ?? ''
    const before = await whatIsThere(on)
    moments.begin({ ...on, host })
    await operation.run(ask, id, on)
    moments.isAnswered = true
    const after = await whatIsThere(on)
    await on.server.close()
    moments.end()
    expect(moments.steps.length, moments.steps.join('\n')).toBeGreaterThanOrEqual(operation.steps)
    const used = new Set<string>()
    for (const moment of moments.moments) await check(moment, { operation, id, before, after, used })
  } finally {
    moments.end()
    await on.end()
  }
})

interface Checked {
  operation: Operation
  id: string
  before: object
  after: object
  /** What was used and removed already: the same once more would tell nothing new. */
  used: Set<string>
}

async function check(moment: Moment, { operation, id, before, after, used }: Checked): Promise<void> {
  const on = await serve(moment.host, {}, moment)
  try {
    await audit(on)
    const there = await whatIsThere(on)
    if (moment.isAnswered) expect(there, moment.when).toEqual(after)
    else if (operation.inParts) expectPart(there, { before, after })
    else expect([before, after], `${moment.when}: ${JSON.stringify(there)}`).toContainEqual(there)
    if (operation.isRepeatable) {
      const answer = (await operation.run(new Ask(on), id, on)) as Answer
      expect(answer.status, moment.when).toBe(201)
      const there = await whatIsThere(on)
      // Of a fork that broke off, those are left that ran; they are its answer.
      if (operation.inParts) expectPart(there, { before, after })
      else expect(there, moment.when).toEqual(after)
      await audit(on)
    }
    const found = JSON.stringify([there, await whatIsThere(on)])
    if (!used.has(found)) await useAndRemove(on)
    used.add(found)
  } finally {
    await on.end()
  }
}
