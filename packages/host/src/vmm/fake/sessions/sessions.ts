/** The fake guest's sessions: those that run, and the newest that have ended. */
import { randomHex, type ProcessBody } from '@wrenn/wire'
import { FakeError } from '../failure.js'
import type { Surroundings } from '../programs/types.js'
import { Session, type SessionState, type StartProgram } from './session.js'

/** How many that have ended can still be read. */
const MOST_ENDED = 64

export class Sessions {
  readonly #running = new Map<string, Session>()
  readonly #ended: Session[] = []
  #lastPid = 100

  constructor(private readonly surroundings: Surroundings) {}

  list(): ProcessBody[] {
    return [...this.#running.values()].map(({ body }) => body)
  }

  start(asked: StartProgram): Session {
    const prefix = asked.pty ? 'pty' : asked.detached ? 'proc' : undefined
    const tag = asked.tag ?? (prefix && `${prefix}-${randomHex(4)}`)
    if (tag && this.list().some((other) => other.tag === tag)) throw new FakeError('exists', `"${tag}" runs already.`)
    const about = { id: `exec-${randomHex(8)}`, pid: this.#lastPid + 1, spec: { ...asked, tag } }
    const session = new Session(about, this.surroundings)
    return this.#add(session)
  }

  /** Goes on in the middle of what was captured. */
  resume(state: SessionState): void {
    const { id, pid, spec } = state
    this.#add(new Session({ id, pid, spec }, this.surroundings, state))
  }

  /** By id, pid or tag: the one that runs, else the one that ended last. */
  find(selector: string): Session {
    const found = this.#search([...this.#running.values()], selector) ?? this.#search(this.#ended, selector)
    if (!found) throw new FakeError('not_found', `No process "${selector}" runs.`)
    return found
  }

  /** The same of those that run. */
  running(selector: string): Session {
    const found = this.#search([...this.#running.values()], selector)
    if (!found) throw new FakeError('not_found', `No process "${selector}" runs.`)
    return found
  }

  endAll(): void {
    for (const session of this.#running.values()) session.signal('SIGKILL')
  }

  /** What a capture keeps: those that go on without a stream. */
  get state(): SessionState[] {
    return [...this.#running.values()].filter(({ isKept }) => isKept).map(({ state }) => state)
  }

  #search(sessions: Session[], selector: string): Session | undefined {
    return sessions.findLast(({ about: { id, pid, spec } }) => [id, String(pid), spec.tag].includes(selector))
  }

  #add(session: Session): Session {
    const { id, pid } = session.about
    this.#lastPid = Math.max(this.#lastPid, pid)
    this.#running.set(id, session)
    void session.exited.then(() => {
      this.#running.delete(id)
      this.#ended.push(session)
      if (this.#ended.length > MOST_ENDED) this.#ended.shift()
    })
    return session
  }
}
