/** What is inside a fake machine, and what of it a capture keeps. */
import { Processes, type StartProcess } from './processes.js'
import { emptyTree, Tree, type TreeState } from './tree.js'

/** What lies below this is in memory alone. */
const IN_MEMORY = '/dev/shm'

export interface GuestState {
  /** Files in memory. */
  tree: TreeState
  processes: StartProcess[]
  hostname: string
}

export class FakeGuest {
  readonly tree: Tree
  readonly processes: Processes
  hostname: string
  /** How many times an agent's word was asked for; tests look at it. */
  renewals = 0

  /** @param disk what the disk holds; undefined for an empty one */
  constructor(state?: GuestState, disk?: TreeState) {
    this.tree = new Tree({ ...emptyTree, ...disk, ...state?.tree })
    this.hostname = state?.hostname ?? 'wrenn'
    this.processes = new Processes(this.tree, () => this.hostname)
    for (const process of state?.processes ?? []) this.processes.start(process)
  }

  get state(): GuestState {
    const tree = this.#files(isInMemory)
    return { tree, processes: this.processes.detached(), hostname: this.hostname }
  }

  /** What is to be on the disk. */
  get disk(): TreeState {
    return this.#files((path) => !isInMemory(path))
  }

  #files(which: (path: string) => boolean): TreeState {
    return Object.fromEntries(Object.entries(this.tree.state).filter(([path]) => which(path)))
  }
}

function isInMemory(path: string): boolean {
  return path === IN_MEMORY || path.startsWith(`${IN_MEMORY}/`)
}
