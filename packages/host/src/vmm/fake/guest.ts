/** What is inside a fake machine, and what of it a capture keeps. */
import { emptyTree, Tree, type TreeState } from './files/tree.js'
import { Ports } from './ports.js'
import type { SessionState } from './sessions/session.js'
import { Sessions } from './sessions/sessions.js'

/** What lies below this is in memory alone. */
const IN_MEMORY = '/dev/shm'

export interface GuestState {
  /** Files in memory. */
  tree: TreeState
  sessions: SessionState[]
  hostname: string
  /** How far its clock is ahead, in milliseconds. */
  clockOffsetMs?: number | undefined
}

export class FakeGuest {
  readonly tree: Tree
  readonly ports = new Ports()
  readonly sessions: Sessions
  hostname: string
  clockOffsetMs: number
  /** How its clock was put right last. */
  corrected: 'step' | 'slew' | undefined
  /** What programs are told of whose they are. */
  identity: Record<string, string> = {}

  /** @param disk what the disk holds; undefined for an empty one */
  constructor(state?: GuestState, disk?: TreeState) {
    this.tree = new Tree({ ...emptyTree, ...disk, ...state?.tree })
    this.hostname = state?.hostname ?? 'wrenn'
    this.clockOffsetMs = state?.clockOffsetMs ?? 0
    this.sessions = new Sessions({
      tree: this.tree,
      ports: this.ports,
      hostname: () => this.hostname,
      identity: () => this.identity,
    })
    for (const session of state?.sessions ?? []) this.sessions.resume(session)
  }

  get state(): GuestState {
    const tree = this.#files(isInMemory)
    return { tree, sessions: this.sessions.state, hostname: this.hostname, clockOffsetMs: this.clockOffsetMs }
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
