/** The snapshots of a host, by their ids. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Damaged, Usage, VerifiedPart } from '@wrenn/wire'
import { isProblem } from '@wrenn/wire'
import type { Context } from '../context.js'
import { BLOCK, removeDirectory } from '../fs/durable.js'
import { Locks } from './locks.js'
import { assertRestorable } from './manifest.js'
import { corrupt, openSnapshot, type Snapshot } from './store.js'
import { Verifier } from './verify.js'

export class Snapshots {
  readonly #context: Context
  readonly #locks = new Locks()
  readonly #listeners: Damaged[] = []
  readonly verifier: Verifier

  constructor(context: Context) {
    this.#context = context
    this.verifier = new Verifier(context.runTask)
  }

  /** Registers what is called when a snapshot turns out to be damaged. */
  onDamaged(listener: Damaged): void {
    this.#listeners.push(listener)
  }

  /**
   * Opens a snapshot for `use`, which has its files to itself meanwhile.
   * @throws {Problem} `template_corrupt` when it is not whole
   */
  async use<T>(id: string, use: (snapshot: Snapshot) => Promise<T>): Promise<T> {
    return this.#locks.run(id, async () => use(await this.#open(id)))
  }

  /** As `use`, for a start: all of it is checked as far as that is quick, and it has to suit this machine. */
  async useForStart<T>(id: string, use: (snapshot: Snapshot) => Promise<T>): Promise<T> {
    const { needs } = await this.#context.driver.probe()
    return this.use(id, async (snapshot) => {
      assertRestorable(snapshot.manifest, needs)
      await this.verifier.check(snapshot)
      return use(snapshot)
    })
  }

  /** Tells the listeners when `work` finds the snapshot to be damaged. */
  async noting<T>(id: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (isProblem(error) && error.code === 'template_corrupt') this.#damaged(id, error.message)
      throw error
    }
  }

  /** Whether there is one. */
  async exists(id: string): Promise<boolean> {
    return (await openSnapshot(this.#context.paths.snapshot(id)).catch(() => undefined)) !== undefined
  }

  /** Removes its files. What was started from it has links of its own. */
  async remove(id: string): Promise<void> {
    const { paths } = this.#context
    await this.#locks.run(id, () => removeDirectory(paths.snapshot(id), paths.staging))
  }

  /** What its files occupy, by whether anything else uses them. */
  async usage(id: string): Promise<Usage> {
    const found = await this.use(id, ({ dir, manifest }) =>
      Promise.all(manifest.files.map(({ name }) => stat(join(dir, name)))),
    )
    const sum = (those: typeof found) => those.reduce((bytes, { blocks }) => bytes + blocks * BLOCK, 0)
    return {
      sharedBytes: sum(found.filter(({ nlink }) => nlink > 1)),
      uniqueBytes: sum(found.filter(({ nlink }) => nlink === 1)),
    }
  }

  /** Reads all of it. */
  async verify(id: string): Promise<VerifiedPart[]> {
    // Reading takes long, and keeps nobody from the files: upkeep may put others in their place meanwhile.
    for (;;) {
      const snapshot = await this.#open(id)
      const parts = await this.verifier.verify(snapshot)
      const problem = parts.find((part) => part.problem)?.problem
      if (problem && !isSame(snapshot, await this.#open(id))) continue
      if (problem) this.#damaged(id, problem)
      return parts
    }
  }

  async #open(id: string): Promise<Snapshot> {
    const snapshot = await openSnapshot(this.#context.paths.snapshot(id))
    if (!snapshot) throw corrupt('its files are missing')
    return snapshot
  }

  #damaged(id: string, what: string): void {
    this.#context.log.error({ snapshot: id, what }, 'a snapshot is damaged')
    for (const listener of this.#listeners) listener(id, what)
  }
}

/** Whether a snapshot consists of the same files as another. */
function isSame(one: Snapshot, other: Snapshot): boolean {
  const [here, there] = [one, other].map(({ manifest }) => manifest.files.map(({ name }) => name).join())
  return here === there
}
