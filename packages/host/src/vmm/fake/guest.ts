/** What is inside a fake machine, and what of it a capture keeps. */
import { Processes, type StartProcess } from './processes.js'
import { Tree, type TreeState } from './tree.js'

export interface GuestState {
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

  constructor(state?: GuestState) {
    this.tree = new Tree(state?.tree)
    this.hostname = state?.hostname ?? 'wrenn'
    this.processes = new Processes(this.tree, () => this.hostname)
    for (const process of state?.processes ?? []) this.processes.start(process)
  }

  get state(): GuestState {
    return { tree: this.tree.state, processes: this.processes.detached(), hostname: this.hostname }
  }
}
