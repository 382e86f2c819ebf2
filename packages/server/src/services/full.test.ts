/**
 * The disk of the database is full at any write of anything: that is an error of the contract, what was there is as before or
 * as after, the server goes on, and once there is room again nothing is left over.
 */
import { dirname } from 'node:path'
import type { CapsuleBody, KeyBody, TemplateBody } from '@wrenn/wire'
import { expect, test } from 'vitest'
import type { Answer } from '../../../../test/support/api.js'
import { Ask } from '../testing/ask.js'
import { FullDisk } from '../testing/full-disk.js'
import { serve, type Serving } from '../testing/serve.js'
import { paused, subject } from '../testing/subjects.js'
import { audit, expectPart, useAndRemove, whatIsThere } from '../testing/whole.js'

interface Operation {
  what: string
  /** How many writes it has at least. */
  writes: number
  prepare?: (ask: Ask) => Promise<string>
  run: (ask: Ask, subject: string) => Promise<Answer>
  /** Whether each of the capsules that it makes is one for itself. */
  inParts?: true
}

const once = async (ask: Ask) => {
  const id = await subject(ask)
  await ask.snapshot(snapshot(id, { keep_source: true, keep_versions: 1 }))
  ask.note(id, 'changed since')
  return id
}
const snapshot = (id: string, more: object = {}) => ({ sandbox_id: id, name: 'a', ...more })
const keyed = { headers: { 'idempotency-key': 'k' } }

const operations: Operation[] = [
  { what: 'a start', writes: 4, run: (ask) => ask.api.call('createCapsule', { json: {} }) },
  {
    what: 'a start with an Idempotency-Key',
    writes: 6,
    run: (ask) => ask.api.call('createCapsule', { json: {}, ...keyed }),
  },
  { what: 'a snapshot', writes: 8, prepare: subject, run: (ask, id) => ask.snapshot(snapshot(id)) },
  {
    what: 'a snapshot that keeps its source',
    writes: 8,
    prepare: subject,
    run: (ask, id) => ask.snapshot(snapshot(id, { keep_source: true })),
  },
  {
    what: 'an overwrite by which an old version is too many',
    writes: 10,
    prepare: once,
    run: (ask, id) => ask.snapshot(snapshot(id), '?overwrite=true'),
  },
  { what: 'a fork', writes: 8, prepare: subject, run: (ask, id) => ask.fork(id, { count: 2 }), inParts: true },
  { what: 'a pause', writes: 3, prepare: subject, run: (ask, id) => ask.pause(id) },
  { what: 'a resume', writes: 3, prepare: paused, run: (ask, id) => ask.resume(id) },
  { what: 'a delete of a running capsule', writes: 3, prepare: subject, run: (ask, id) => ask.remove(id) },
  { what: 'a delete of a paused capsule', writes: 3, prepare: paused, run: (ask, id) => ask.remove(id) },
  { what: 'a delete of a template', writes: 6, prepare: once, run: (ask) => ask.removeTemplate('a') },
  {
    what: 'a change of a network',
    writes: 2,
    prepare: subject,
    run: (ask, id) => ask.of('setNetwork', id, { json: { internet: false } }),
  },
  { what: 'the making of a key', writes: 2, run: (ask) => ask.api.call('createKey', { json: { name: 'another' } }) },
]

test.each(operations)('$what with a full disk is refused, or done, and nothing is left over', async (operation) => {
  const on = await serve()
  const disk = new FullDisk()
  try {
    const ask = new Ask(on)
    const bystander = await ask.capsule({ metadata: { is: 'a bystander' } })
    ask.note(bystander, 'bystander')
    const tries = new Tries(on, { disk, operation, bystander })
    const count = await tries.begin()
    expect(count).toBeGreaterThanOrEqual(operation.writes)
    for (let write = 1; write <= count; write++) {
      await tries.check(`write ${write}`, (one) => one === write)
      await tries.check(`write ${write} and all that follow`, (one) => one >= write)
    }
    await tries.prepare()
    await useAndRemove(on)
  } finally {
    disk.end()
    await on.end()
  }
})

test('what is still owed when the server ends is done by the next start', async () => {
  const on = await serve()
  const disk = new FullDisk()
  try {
    const ask = new Ask(on)
    const [deleted, captured, kept] = [await subject(ask), await subject(ask), await subject(ask)]
    const begun = [
      await ask.at('destroy', () => ask.remove(deleted)),
      await ask.at('captured', () => ask.snapshot(snapshot(captured))),
      await ask.at('started', () => ask.api.call('createCapsule', { json: {} })),
    ]
    disk.begin(() => true)
    for (const { gate } of begun) gate.open()
    const answers = (await Promise.all(begun.map(({ asked }) => asked))) as Answer[]
    expect(answers.map(({ status }) => status)).toEqual([507, 507, 507])
    await on.server.close()
    await on.store.close()
    disk.clear()
    const next = await serve(on.host, {}, { dir: dirname(on.files()[0]!), key: on.key, clock: on.clock })
    await audit(next)
    const ids = ((await new Ask(next).api.call('listCapsules')).body as CapsuleBody[]).map(({ id }) => id)
    expect(ids).toEqual([kept, captured])
    await useAndRemove(next)
    await next.end()
  } finally {
    disk.end()
  }
})

interface On {
  disk: FullDisk
  operation: Operation
  bystander: string
}

class Tries {
  readonly #ask: Ask
  #before: object = {}
  #after: object = {}

  constructor(
    private readonly serving: Serving,
    private readonly on: On,
  ) {
    this.#ask = new Ask(serving)
  }

  /** Once with room enough. @returns how many writes there are */
  async begin(): Promise<number> {
    const { disk, operation } = this.on
    const id = await this.prepare()
    this.#before = await whatIsThere(this.serving)
    disk.begin()
    expect((await operation.run(this.#ask, id)).status).toBeLessThan(300)
    await expect.poll(() => this.serving.store.versions.removable(), { interval: 5 }).toEqual([])
    const { writes } = disk
    this.#after = await whatIsThere(this.serving)
    return writes
  }

  /** As it is before each. */
  async prepare(): Promise<string> {
    const ask = this.#ask
    for (const { id } of (await ask.api.call('listCapsules')).body as CapsuleBody[])
      if (id !== this.on.bystander) await ask.remove(id)
    for (const { name, platform } of (await ask.api.call('listSnapshots')).body as TemplateBody[])
      if (!platform) await ask.removeTemplate(name)
    for (const { id, name } of (await ask.api.call('listKeys')).body as KeyBody[])
      if (name === 'another') await ask.of('revokeKey', id)
    for (const key of await this.serving.store.keys.list(this.serving.store.teams.defaultId))
      await this.serving.store.answers.remove(key.id, 'k')
    return (await this.on.operation.prepare?.(ask)) ?? ''
  }

  async check(what: string, fails: (write: number) => boolean): Promise<void> {
    const { serving, on } = this
    const id = await this.prepare()
    expect(await whatIsThere(serving), what).toEqual(this.#before)
    on.disk.begin(fails)
    const answer = await on.operation.run(this.#ask, id)
    await this.#goesOn(what)
    on.disk.clear()
    await expect.poll(() => this.#settled().then(() => 'whole', String), { message: what, interval: 5 }).toBe('whole')
    const there = await whatIsThere(serving)
    if (answer.status < 300) {
      if (on.operation.inParts) expectPart(there, { before: this.#before, after: this.#after })
      else expect(there, what).toEqual(this.#after)
      return
    }
    expect([answer.status, answer.body.error.code], what).toEqual([507, 'insufficient_storage'])
    expect(answer.headers.get('retry-after'), what).toBe('1')
    expect([this.#before, this.#after], `${what}: ${JSON.stringify(there)}`).toContainEqual(there)
  }

  /** Reads are answered, and so is what is done inside of a capsule; what goes on by itself fails without a sound. */
  async #goesOn(what: string): Promise<void> {
    const { clock } = this.serving
    const { bystander } = this.on
    clock.advance(61)
    const reads = [
      this.#ask.api.call('listCapsules'),
      this.#ask.api.call('listSnapshots'),
      this.#ask.of('readFile', bystander, { json: { path: '/note' } }),
      this.#ask.of('pingCapsule', bystander),
    ]
    for (const { status } of await Promise.all(reads)) expect(status, what).toBeLessThan(300)
  }

  async #settled(): Promise<void> {
    this.serving.clock.advance(5)
    await audit(this.serving)
  }
}
