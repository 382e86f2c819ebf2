/**
 * Control groups: by them the kernel bounds the memory and the threads of a process with all that it starts, and shares
 * the processors out. Both versions that there are; where neither can be written, nothing is grouped.
 */
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Limits } from './limits.js'

export const controllers = ['memory', 'pids', 'cpu'] as const
export type Controller = (typeof controllers)[number]

/** When a group that is still in use is tried again, in milliseconds; what is left then goes with the next start. */
const FIRST_RETRY_MS = 20
const LAST_RETRY_MS = 1000

interface Setting {
  file: string
  value: (limits: Limits) => number
}

/** What is written where, in either version. */
const settings: Record<1 | 2, Record<Controller, Setting>> = {
  1: {
    memory: { file: 'memory.limit_in_bytes', value: ({ memoryBytes }) => memoryBytes },
    pids: { file: 'pids.max', value: ({ threads }) => threads },
    cpu: { file: 'cpu.shares', value: ({ vcpus }) => 1024 * vcpus },
  },
  2: {
    memory: { file: 'memory.max', value: ({ memoryBytes }) => memoryBytes },
    pids: { file: 'pids.max', value: ({ threads }) => threads },
    cpu: { file: 'cpu.weight', value: ({ vcpus }) => Math.min(100 * vcpus, 10_000) },
  },
}

/** Where groups are made, and what they are good for. */
export interface Hierarchy {
  version: 1 | 2
  path: string
  has: Controller[]
}

/** Finds the hierarchies in a process's table of mounts, /proc/PID/mountinfo. */
export async function findHierarchies(mountinfo: string): Promise<Hierarchy[]> {
  const found: Hierarchy[] = []
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ')
    const path = before.split(' ')[4]
    const [type, , options = ''] = after.split(' ')
    if (path === undefined || (type !== 'cgroup' && type !== 'cgroup2')) continue
    const version = type === 'cgroup' ? 1 : 2
    const all = version === 1 ? options.split(',') : await readWords(join(path, 'cgroup.controllers'))
    const has = controllers.filter((name) => all.includes(name) && !found.some((one) => one.has.includes(name)))
    if (has.length > 0) found.push({ version, path, has })
  }
  return found
}

async function readWords(file: string): Promise<string[]> {
  return (await readFile(file, 'utf8').catch(() => '')).trim().split(' ')
}

export class Groups {
  /** Groups whose processes were still ending when they were to be removed. */
  readonly #left = new Set<string>()
  /** Those that were there before us, and in which something of ours runs. */
  readonly #adopted = new Set<string>()
  #isClosed = false

  private constructor(
    private readonly folder: string,
    private readonly hierarchies: Hierarchy[],
  ) {}

  /** @param folder what all groups are made in; it tells ours from others' */
  static async open(folder: string, found?: Hierarchy[]): Promise<Groups> {
    const hierarchies = found ?? (await findHierarchies(await readFile('/proc/self/mountinfo', 'utf8')))
    const usable = await Promise.all(hierarchies.map((one) => openHierarchy(one, folder)))
    return new Groups(
      folder,
      usable.filter((one) => one !== undefined),
    )
  }

  has(controller: Controller): boolean {
    return this.hierarchies.some(({ has }) => has.includes(controller))
  }

  /** Makes a group and sets its limits. A name is never used twice: what had it before may be about to be removed. */
  async make(name: string, limits: Limits): Promise<void> {
    await this.#removeLeft()
    // When this rejects, nothing of it is still under way: whoever removes the group then removes all of it.
    const made = await Promise.allSettled(
      this.hierarchies.map(async (hierarchy) => {
        const { version, path, has } = hierarchy
        const dir = join(path, this.folder, name)
        // The folder goes with a server that ends; another in its place may have opened it just before.
        await mkdir(dir).catch(async (error: unknown) => {
          if (codeOf(error) === 'ENOENT') await openHierarchy(hierarchy, this.folder)
          await mkdir(dir, { recursive: true })
        })
        for (const controller of has) {
          const { file, value } = settings[version][controller]
          await writeFile(join(dir, file), String(Math.round(value(limits))))
        }
      }),
    )
    for (const outcome of made) if (outcome.status === 'rejected') throw outcome.reason
  }

  /** Takes over the groups that are there and whose names begin so. @returns the names */
  async adopt(prefix: string): Promise<string[]> {
    const names = (await this.#all()).filter((name) => name.startsWith(prefix))
    for (const name of names) this.#adopted.add(name)
    return [...new Set(names)]
  }

  /** Moves a process into its group. */
  async join(name: string, pid: number): Promise<void> {
    await Promise.all(this.#dirs(name).map((dir) => writeFile(join(dir, 'cgroup.procs'), String(pid))))
  }

  /** Removes a group whose processes have ended; one where some are still about to is tried again a moment later. */
  async remove(name: string): Promise<void> {
    this.#adopted.delete(name)
    this.#left.add(name)
    await this.#removeWhatIsLeft()
  }

  async #removeWhatIsLeft(): Promise<void> {
    await this.#removeLeft()
    if (this.#left.size > 0) this.#tryAgain(FIRST_RETRY_MS)
    else if (this.#isClosed) await this.#removeFolder()
  }

  /** Removes all groups that were there before us, but for those that were adopted. To be called before any is made. */
  async sweep(): Promise<void> {
    for (const name of await this.#all()) if (!this.#adopted.has(name)) this.#left.add(name)
    await this.#removeWhatIsLeft()
  }

  async #all(): Promise<string[]> {
    const folders = this.hierarchies.map(({ path }) => join(path, this.folder))
    const entries = await Promise.all(folders.map((path) => readdir(path, { withFileTypes: true }).catch(() => [])))
    return entries.flat().flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
  }

  /** Removes the folder too, unless something runs in it. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const name of await this.#all()) await Promise.all(this.#dirs(name).map((dir) => rmdir(dir).catch(() => {})))
    await this.#removeFolder()
  }

  async #removeFolder(): Promise<void> {
    await Promise.all(this.hierarchies.map(({ path }) => rmdir(join(path, this.folder)).catch(() => {})))
  }

  /** The kernel tells nobody when the last thread of a process has really gone. */
  #tryAgain(ms: number): void {
    const again = async () => {
      await this.#removeLeft()
      if (this.#left.size > 0 && ms < LAST_RETRY_MS) this.#tryAgain(ms * 4)
      else if (this.#isClosed) await this.#removeFolder()
    }
    setTimeout(() => void again(), ms).unref()
  }

  async #removeLeft(): Promise<void> {
    for (const name of this.#left) {
      // The kernel refuses to remove one that is in use.
      const failures = await Promise.all(this.#dirs(name).map((dir) => rmdir(dir).then(() => '', codeOf)))
      if (!failures.includes('EBUSY')) this.#left.delete(name)
    }
  }

  #dirs(name: string): string[] {
    return this.hierarchies.map(({ path }) => join(path, this.folder, name))
  }
}

/** Makes the folder for our groups; undefined where that is not allowed. */
async function openHierarchy(hierarchy: Hierarchy, folder: string): Promise<Hierarchy | undefined> {
  const { version, path, has } = hierarchy
  const dir = join(path, folder)
  try {
    await mkdir(dir, { recursive: true })
    if (version === 2) await writeFile(join(dir, 'cgroup.subtree_control'), has.map((name) => `+${name}`).join(' '))
    // All of them together get what the machine has; what else runs gets its share beside them.
    const machine = { vcpus: availableParallelism(), memoryBytes: 0, threads: 0, fileBytes: 0 }
    const { file, value } = settings[version].cpu
    if (has.includes('cpu')) await writeFile(join(dir, file), String(value(machine)))
    return hierarchy
  } catch {
    return undefined
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? ''
}
