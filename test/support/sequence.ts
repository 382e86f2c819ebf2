/** Does what the model says to a running Wrenn, over HTTP, and compares the two. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { Api } from './api.js'
import { digest, Model, places, type Limits, type Step } from './model.js'
import { Random } from '../../packages/cli/src/bench/random.js'

export interface Platform {
  url: string
  key: string
  dataDir: string
  restart(): Promise<void>
}

export interface Sequence {
  seed: number
  /** How many steps. */
  length: number
  limits: Limits
  /** The size of capsules. */
  memoryMb: number
  /** Done in a capsule before its files are read: what only its caches hold is not enough. */
  beforeReading?: (api: Api, id: string) => Promise<void>
  /** Looks whether anything is left once everything was deleted. */
  assertNothingLeft: () => Promise<void>
}

/** Runs one sequence. Fails with its seed and with all that was done. @returns how often each step was taken */
export async function runSequence(platform: Platform, sequence: Sequence): Promise<Record<Step['do'], number>> {
  const random = new Random(sequence.seed)
  const run = new Run(platform, sequence)
  try {
    while (run.taken.length < sequence.length) await run.take(run.model.next(random))
    await run.finish()
  } catch (cause) {
    const steps = run.taken.map((step, i) => `  ${i + 1}. ${JSON.stringify(step)}`)
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`Repeat with WRENN_SEED=${sequence.seed}. The last of these failed:\n${steps.join('\n')}\n${why}`, {
      cause,
    })
  }
  const counts = {} as Record<Step['do'], number>
  for (const step of run.taken) counts[step.do] = (counts[step.do] ?? 0) + 1
  return counts
}

class Run {
  readonly taken: Step[] = []
  readonly model: Model
  readonly #api: Api

  constructor(
    private readonly platform: Platform,
    private readonly sequence: Sequence,
  ) {
    this.model = new Model(sequence.limits)
    this.#api = new Api(platform)
  }

  async take(step: Step): Promise<void> {
    this.taken.push(step)
    switch (step.do) {
      case 'start':
        return this.#start(step.from)
      case 'write':
      case 'wipe':
      case 'remove':
        return this.#change(step)
      case 'fork':
        return this.#fork(step.on, step.count)
      case 'snapshot':
        return this.#snapshot(step)
      case 'pause':
      case 'resume':
      case 'delete capsule':
      case 'compare':
        return this.#move(step)
      case 'rollback':
      case 'delete version':
      case 'delete name':
        return this.#name(step)
      case 'restart':
        return this.#restart()
    }
  }

  /** Compares everything with the model, then deletes everything. */
  async finish(): Promise<void> {
    const { model } = this
    for (const [on, { isPaused }] of model.capsules) await this.take({ do: isPaused ? 'resume' : 'compare', on })
    for (const from of model.templates) {
      await this.take({ do: 'start', from })
      await this.take({ do: 'delete capsule', on: [...model.capsules.keys()].at(-1)! })
    }
    await this.#countSnapshots()
    for (const on of [...model.capsules.keys()]) await this.take({ do: 'delete capsule', on })
    for (const name of [...model.names.keys()]) await this.take({ do: 'delete name', name })
    await this.#countSnapshots()
    expect(await readdir(join(this.platform.dataDir, 'capsules'))).toEqual([])
    // What is being removed stands there.
    await expect.poll(() => readdir(join(this.platform.dataDir, 'staging')), { timeout: 10_000 }).toEqual([])
    await this.sequence.assertNothingLeft()
  }

  async #start(from: string): Promise<void> {
    const { body } = await this.#ok('createCapsule', { json: { template: from, memory_mb: this.sequence.memoryMb } })
    await this.#compare(this.model.add(body.id as string, this.model.filesOf(from)))
  }

  async #change(step: Extract<Step, { path: string }>): Promise<void> {
    const { id } = this.model.get(step.on)
    if (step.do === 'remove') {
      await this.#ok('removeFile', { params: { id }, json: { path: step.path } })
      return this.model.drop(step.on, step.path)
    }
    const content = step.do === 'wipe' ? Buffer.alloc(step.bytes) : new Random(step.seed).bytes(step.bytes)
    const raw = new FormData()
    raw.set('path', step.path)
    raw.set('file', new Blob([new Uint8Array(content)]))
    await this.#ok('writeFile', { params: { id }, raw })
    this.model.put(step.on, step.path, content)
  }

  async #fork(on: string, count: number): Promise<void> {
    const source = this.model.get(on)
    const { body } = await this.#ok('forkCapsule', { params: { id: source.id }, json: { count } })
    const made = body as { id: string; status: string }[]
    expect(made.map(({ status }) => status)).toEqual(Array(count).fill('running'))
    for (const { id } of made) await this.#compare(this.model.add(id, source.files))
    await this.#compare(on)
  }

  async #snapshot({ on, name, keep }: Extract<Step, { do: 'snapshot' }>): Promise<void> {
    const json = { sandbox_id: this.model.get(on).id, name, keep_source: keep }
    if (this.model.names.has(name)) expect(await this.#code('createSnapshot', { json })).toBe('conflict')
    const { body } = await this.#ok('createSnapshot', { json, query: '?overwrite=true' })
    expect(body.version).toBe(this.model.snapshot(on, name))
    if (keep) await this.#compare(on)
    else this.model.capsules.delete(on)
  }

  async #move(step: Extract<Step, { do: 'pause' | 'resume' | 'delete capsule' | 'compare' }>): Promise<void> {
    const capsule = this.model.get(step.on)
    const params = { id: capsule.id }
    if (step.do === 'delete capsule') {
      await this.#ok('deleteCapsule', { params })
      this.model.capsules.delete(step.on)
      return
    }
    if (step.do === 'pause') {
      await this.#ok('pauseCapsule', { params })
      capsule.isPaused = true
      expect(await this.#code('listProcesses', { params })).toBe('invalid_state')
      return
    }
    if (step.do === 'resume') await this.#ok('resumeCapsule', { params })
    capsule.isPaused = false
    await this.#compare(step.on)
  }

  async #name(step: Extract<Step, { do: 'rollback' | 'delete version' | 'delete name' }>): Promise<void> {
    const name = this.model.names.get(step.name)!
    if (step.do === 'delete name') {
      await this.#ok('deleteSnapshot', { params: { name: step.name } })
      this.model.names.delete(step.name)
      return
    }
    if (step.do === 'delete version') {
      await this.#ok('deleteVersion', { params: { name: step.name, version: String(step.version) } })
      name.versions.delete(step.version)
    } else {
      const to = step.to ?? this.model.before(step.name)
      const ask = { params: { name: step.name }, json: step.to === undefined ? {} : { version: step.to } }
      if (to === undefined) return expect(await this.#code('rollbackSnapshot', ask)).toBe('not_found')
      expect((await this.#ok('rollbackSnapshot', ask)).body.version).toBe(to)
      name.current = to
    }
    const { body } = await this.#ok('listVersions', { params: { name: step.name } })
    const listed = (body as { version: number; current: boolean }[]).map((one) => [one.version, one.current])
    const kept = [...name.versions.keys()].sort((a, b) => b - a)
    expect(listed).toEqual(kept.map((number) => [number, number === name.current]))
  }

  async #restart(): Promise<void> {
    await this.platform.restart()
    const { body } = await this.#ok('listCapsules')
    const states = (body as { id: string; status: string }[]).map(({ id, status }) => `${id} ${status}`)
    const modelled = [...this.model.capsules.values()]
    expect(states.sort()).toEqual(modelled.map(({ id, isPaused }) => `${id} ${isPaused ? 'paused' : 'running'}`).sort())
    for (const [on, { isPaused }] of this.model.capsules) if (!isPaused) await this.#compare(on)
  }

  /** All files of a capsule are what the model says, and there are no others. */
  async #compare(on: string): Promise<void> {
    const { id, files } = this.model.get(on)
    await this.sequence.beforeReading?.(this.#api, id)
    const found: Record<string, string> = {}
    for (const place of places) {
      const list = await this.#api.call('listFiles', { params: { id }, json: { path: place, depth: 3 } })
      if (list.status === 404) continue
      expect(list.status).toBe(200)
      for (const { path, type } of list.body.entries as { path: string; type: string }[]) {
        if (type !== 'file') continue
        found[path] = digest((await this.#ok('readFile', { params: { id }, json: { path } })).bytes)
      }
    }
    expect(found, `the files of ${on}`).toEqual(files)
  }

  /** What is not needed any more goes soon, and nothing else does. */
  async #countSnapshots(): Promise<void> {
    const folder = join(this.platform.dataDir, 'snapshots')
    await expect.poll(async () => (await readdir(folder)).length, { timeout: 10_000 }).toBe(this.model.kept)
  }

  async #ok(...[name, ask]: Parameters<Api['call']>) {
    const answer = await this.#api.call(name, ask)
    if (answer.status >= 400) throw new Error(`${name}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer
  }

  async #code(...[name, ask]: Parameters<Api['call']>): Promise<string | undefined> {
    const { body } = await this.#api.call(name, ask)
    return (body as { error?: { code: string } } | undefined)?.error?.code
  }
}
