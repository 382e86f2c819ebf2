/**
 * What is done to snapshots in the background, one after the other, without touching what runs from them: a difference
 * that is large becomes an image that clones share, a long chain of disk layers becomes a short one, and what is seldom
 * started is compressed. A step that is cut off leaves the snapshot as it was.
 */
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Context } from '../context.js'
import { freeze } from '../disk/directory.js'
import { newName } from '../paths.js'
import type { Manifest } from './manifest.js'
import { replaceParts, tidy } from './replace.js'
import type { Snapshots } from './snapshots.js'
import { openSnapshot, type Snapshot } from './store.js'

export interface UpkeepRules {
  /** A template's difference of more bytes than this is folded: each clone would hold it for itself. */
  foldBytes: number
  /** A chain of more disk layers than this is flattened: each costs a start an open file and a read a look. */
  mostLayers: number
  /** A difference is compressed when nothing was started from it for so many milliseconds. */
  coldMs: number
}

export const upkeepRules: UpkeepRules = { foldBytes: 64 * 1024 * 1024, mostLayers: 8, coldMs: 3_600_000 }

type Step = (snapshot: Snapshot) => Promise<void>

export class Upkeep {
  readonly #context: Context
  readonly #snapshots: Snapshots
  readonly #rules: UpkeepRules
  readonly #cold = new Map<string, NodeJS.Timeout>()
  #working: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(context: Context, snapshots: Snapshots, rules: Partial<UpkeepRules> = {}) {
    this.#context = context
    this.#snapshots = snapshots
    this.#rules = { ...upkeepRules, ...rules }
  }

  /** Looks at snapshots, and does what is to be done to them. Whatever fails is logged, and left as it was. */
  consider(ids: readonly string[]): void {
    for (const id of ids) {
      this.#enqueue(id, async (snapshot) => this.#tend(snapshot))
      this.used(id)
    }
  }

  /** A start from it makes it warm again. */
  used(id: string): void {
    clearTimeout(this.#cold.get(id))
    if (this.#isClosed) return
    const timer = setTimeout(() => {
      this.#cold.delete(id)
      this.#enqueue(id, (snapshot) => this.#pack(snapshot))
    }, this.#rules.coldMs)
    this.#cold.set(id, timer.unref())
  }

  /** The snapshot is gone. */
  forget(id: string): void {
    clearTimeout(this.#cold.get(id))
    this.#cold.delete(id)
  }

  /** Resolves when everything asked for so far has been done. */
  idle(): Promise<void> {
    return this.#working
  }

  /** Ends after the step under way. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const id of this.#cold.keys()) this.forget(id)
    await this.#working
  }

  #enqueue(id: string, step: Step): void {
    this.#working = this.#working.then(async () => {
      if (this.#isClosed) return
      try {
        await step(await this.#snapshots.use(id, (snapshot) => Promise.resolve(snapshot)))
      } catch (err) {
        // One that was deleted meanwhile needs no upkeep.
        if (await this.#snapshots.exists(id)) this.#context.log.warn({ err, snapshot: id }, 'upkeep failed')
      }
    })
  }

  async #tend(snapshot: Snapshot): Promise<void> {
    const left = await this.#snapshots.use(snapshot.manifest.id, tidy)
    if (left.length > 0) this.#context.log.warn({ snapshot: snapshot.manifest.id, left }, 'removed what was half-made')
    const { disk, purpose } = snapshot.manifest
    let now = snapshot
    if (disk.length > this.#rules.mostLayers) now = await this.#flatten(now)
    if (purpose === 'template' && differenceBytes(now.manifest) > this.#rules.foldBytes) await this.#fold(now)
  }

  async #fold(snapshot: Snapshot): Promise<Snapshot> {
    const { dir, manifest } = snapshot
    const { base, difference, changed_bytes } = manifest.memory
    if (difference === null) return snapshot
    const name = newName.base()
    const change = { memory: { base: name, difference: null, changed_bytes, packed: false } }
    return this.#put(snapshot, { name, change }, () =>
      this.#context.driver.foldMemory({
        base: join(dir, base),
        difference: join(dir, difference),
        into: join(dir, name),
      }),
    )
  }

  async #flatten(snapshot: Snapshot): Promise<Snapshot> {
    const { dir, manifest } = snapshot
    const [root = '', ...upper] = manifest.disk
    const name = newName.diskLayer()
    return this.#put(snapshot, { name, change: { disk: [root, name] } }, () =>
      this.#context.driver.flattenDisk({ dir, root, upper, into: name, diskSizeMb: manifest.disk_size_mb }),
    )
  }

  async #pack(snapshot: Snapshot): Promise<void> {
    const { dir, manifest } = snapshot
    const { memory } = manifest
    if (memory.difference === null || memory.packed) return
    const name = newName.difference()
    const [from, into] = [join(dir, memory.difference), join(dir, name)]
    await this.#put(snapshot, { name, change: { memory: { ...memory, difference: name, packed: true } } }, async () => {
      await this.#context.runTask('packMemory', { difference: from, into, lasting: false })
    })
  }

  /** Makes a file and puts it into the snapshot; when that fails, the snapshot is as before. */
  async #put(
    snapshot: Snapshot,
    { name, change }: { name: string; change: Partial<Pick<Manifest, 'memory' | 'disk'>> },
    make: () => Promise<void>,
  ): Promise<Snapshot> {
    const path = join(snapshot.dir, name)
    try {
      await make()
      await freeze(path)
      const sha256 = await this.#context.runTask('syncAndDigest', path)
      // Only this keeps a start from the files, and it takes no longer than a few system calls.
      const { id } = snapshot.manifest
      const replaced = await this.#snapshots.use(id, (now) => replaceParts(now, { added: [{ name, sha256 }], change }))
      const { size } = await stat(path)
      this.#context.log.info(
        { snapshot: snapshot.manifest.id, change: Object.keys(change), size },
        'a part was made anew',
      )
      return replaced
    } catch (error) {
      // Even when its putting there failed: if the manifest says so, it is part of the snapshot.
      const now = await openSnapshot(snapshot.dir).catch(() => undefined)
      if (!now?.manifest.files.some((file) => file.name === name)) await rm(path, { force: true })
      throw error
    }
  }
}

function differenceBytes({ memory: { difference }, files }: Manifest): number {
  return files.find(({ name }) => name === difference)?.bytes ?? 0
}
