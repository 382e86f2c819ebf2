/**
 * The disk of a capsule that is captured again and again while it runs grows by a layer each time. Beyond a number of
 * them those that are frozen become one, in the background and beside the guest, and that takes their place under it. The
 * snapshots that share them keep theirs.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Context } from '../context.js'
import { freeze } from '../disk/directory.js'
import { newName } from '../paths.js'
import type { Locks } from '../snapshots/locks.js'
import { describeFile } from '../snapshots/store.js'
import type { LiveCapsule, LiveCapsules } from './live.js'
import { writeRecord } from './record.js'

export interface ShorteningParts {
  live: LiveCapsules
  /** By capsule; held by captures too. */
  locks: Locks
  /** A chain of more frozen layers than this is made shorter. */
  mostLayers: number
}

export class Shortening {
  #working: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(
    private readonly context: Context,
    private readonly parts: ShorteningParts,
  ) {}

  /** Looks at a capsule's disk. What fails is logged, and left as it was. */
  consider(capsuleId: string): void {
    this.#working = this.#working.then(async () => {
      const capsule = this.parts.live.find(capsuleId)
      if (this.#isClosed || !capsule) return
      await this.#shorten(capsule).catch((err: unknown) => {
        if (this.#isLive(capsule))
          this.context.log.warn({ err, capsule: capsuleId }, 'its disk could not be made shorter')
      })
    })
  }

  /** Resolves when everything asked for so far has been done. */
  idle(): Promise<void> {
    return this.#working
  }

  /** Ends after the step under way. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#working
  }

  async #shorten(capsule: LiveCapsule): Promise<void> {
    const { dir } = capsule
    const { disk, disk_size_mb: diskSizeMb } = capsule.record.origin
    const [root = '', ...upper] = disk
    if (disk.length <= this.parts.mostLayers) return
    const into = newName.diskLayer()
    const path = join(dir, into)
    try {
      await this.context.driver.flattenDisk({ dir, root, upper, into, diskSizeMb })
      await freeze(path)
      // Later snapshots share it, and count on its being on the disk.
      const sha256 = await this.context.runTask('syncAndDigest', path)
      const file = await describeFile({ path, name: into, own: false, sha256 })
      await this.parts.locks.run(capsule.id, () => this.#put(capsule, { upper, file }))
      this.context.log.info({ capsule: capsule.id, layers: disk.length, size: file.bytes }, 'its disk was made shorter')
    } catch (error) {
      if (!capsule.record.origin.disk.includes(into)) await rm(path, { force: true })
      throw error
    }
  }

  /**
   * Puts the layer in its place. Both chains have the same content: whenever this is cut off, what the record names is
   * there, and right. Captures that came meanwhile have only put more layers over those that are replaced.
   */
  async #put(capsule: LiveCapsule, { upper, file }: Replacement): Promise<void> {
    if (!this.#isLive(capsule)) return
    const { dir, record } = capsule
    const { origin, layers } = record
    const [root = '', ...over] = [...origin.disk, ...layers]
    const above = over[upper.length]!
    const at = (name: string) => join(dir, name)
    await capsule.vm.shortenDisk({ root: at(root), replaced: upper.map(at), into: at(file.name), above: at(above) })
    const disk = [root, file.name, ...origin.disk.slice(upper.length + 1)]
    const files = [...origin.files.filter(({ name }) => !upper.includes(name)), file]
    const next = { ...record, origin: { ...origin, disk, files } }
    await writeRecord(dir, next)
    capsule.record = next
    await Promise.all(upper.map((name) => rm(at(name), { force: true })))
  }

  #isLive(capsule: LiveCapsule): boolean {
    return this.parts.live.find(capsule.id) === capsule
  }
}

interface Replacement {
  /** The names of the layers that go. */
  upper: string[]
  file: Awaited<ReturnType<typeof describeFile>>
}
