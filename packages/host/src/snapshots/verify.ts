/** Whether a snapshot's files are what they were when it was made. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { VerifiedPart } from '@wrenn/wire'
import { isMissing } from '../fs/durable.js'
import type { RunTask } from '../worker/pool.js'
import type { SnapshotFile } from './manifest.js'
import { corrupt, type Snapshot } from './store.js'

export class Verifier {
  /** Files that were written since they were described, and found to be the same all the same. */
  readonly #found = new Set<string>()

  constructor(private readonly runTask: RunTask) {}

  /**
   * The check of every start: presence, length, and whether anything was written since; where it was, all of that file
   * is read. What of a difference is put into memory is checked there.
   *
   * @throws {Problem} `template_corrupt`
   */
  async check({ dir, manifest }: Snapshot): Promise<void> {
    await Promise.all(
      manifest.files.map(async (file) => {
        const problem = await this.#quickly(dir, file)
        if (problem) throw corrupt(problem)
      }),
    )
  }

  /** Reads all of it. */
  async verify({ dir, manifest }: Snapshot): Promise<VerifiedPart[]> {
    const parts: VerifiedPart[] = []
    // One after the other: this is never in a hurry.
    for (const file of manifest.files) {
      const problem = (await this.#byLength(dir, file)) ?? (await this.#byDigest(dir, file))
      parts.push({ name: file.name, bytes: file.bytes, ...(problem ? { problem } : {}) })
    }
    return parts
  }

  async #quickly(dir: string, file: SnapshotFile): Promise<string | undefined> {
    const problem = await this.#byLength(dir, file)
    if (problem) return problem
    const { mtimeMs, dev, ino } = await stat(join(dir, file.name))
    const identity = `${dev}:${ino}:${mtimeMs}`
    if (mtimeMs === file.mtime_ms || this.#found.has(identity)) return undefined
    const damage = await this.#byDigest(dir, file)
    if (!damage) this.#found.add(identity)
    return damage
  }

  async #byLength(dir: string, { name, bytes }: SnapshotFile): Promise<string | undefined> {
    const found = await stat(join(dir, name)).catch((error: unknown) => {
      if (isMissing(error)) return undefined
      throw error
    })
    if (!found?.isFile()) return `its file ${name} is missing`
    return found.size === bytes ? undefined : `its file ${name} has ${found.size} bytes instead of ${bytes}`
  }

  async #byDigest(dir: string, { name, sha256 }: SnapshotFile): Promise<string | undefined> {
    if (sha256 === undefined) return undefined
    // Between the look at its length and this one, upkeep may have put another file in its place.
    const found = await this.runTask('digestFile', join(dir, name)).catch((error: unknown) => {
      if (isMissing(error)) return undefined
      throw error
    })
    if (found === undefined) return `its file ${name} is missing`
    return found === sha256 ? undefined : `the content of its file ${name} is not what was written`
  }
}
