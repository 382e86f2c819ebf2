/**
 * What a server would leave if it died: taken right before and right after every one of its steps. A step is a write to
 * its store that takes effect, or a call of its host that changes something. What a step has not done yet when the
 * picture is taken never happens in the picture, so that one run gives every crash that there is.
 */
import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Left } from './serve.js'
import type { MemoryHost } from './memory-host.js'
import { watchWrites } from './statements.js'
import type { TestClock } from './test-clock.js'

/** One picture. */
export interface Moment extends Left {
  /** What had happened, or was about to. */
  when: string
  host: MemoryHost
  /** Whether the client had its answer. */
  isAnswered: boolean
}

interface From {
  host: MemoryHost
  files: () => string[]
  key: string
  clock: TestClock
}

/** The calls of a host that change something there. */
const changing: readonly (string | symbol)[] = [
  'start',
  'destroy',
  'capture',
  'setNetwork',
  'release',
  'deleteSnapshot',
] satisfies (keyof MemoryHost)[]

export class Moments {
  readonly moments: Moment[] = []
  /** The steps in their order. */
  readonly steps: string[] = []
  isAnswered = false
  #from: From | undefined
  #last = ''
  #writes = 0
  #end: (() => void) | undefined

  /** A host that tells of what is done to it. */
  around(host: MemoryHost): MemoryHost {
    return new Proxy(host, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        if (!changing.includes(name)) return value.bind(target) as unknown
        return (...args: unknown[]) => this.#around(`host.${String(name)}`, () => value.apply(target, args) as unknown)
      },
    })
  }

  /** Takes pictures from now on, of a server on `host`, which is not the one that tells. */
  begin(from: From): void {
    this.#from = from
    this.#picture('at first')
    this.#end = watchWrites((sql, database, work) => this.#write(sql, () => !database.inTransaction, work))
  }

  end(): void {
    this.#end?.()
    this.#from = undefined
  }

  #write(sql: string, isStep: () => boolean, work: () => unknown): unknown {
    const what = sql.slice(0, 40)
    // Within a transaction nothing has happened until its commit.
    if (isStep() || sql === 'commit') this.#picture(`before ${what}`)
    const result = work()
    if (!isStep()) return result
    this.#writes++
    this.steps.push(what)
    this.#picture(`after ${what}`)
    return result
  }

  async #around(what: string, work: () => unknown): Promise<unknown> {
    this.#picture(`before ${what}`)
    try {
      return await work()
    } finally {
      if (this.#from) this.steps.push(what)
      this.#picture(`after ${what}`)
    }
  }

  /** What is as it was at the last one is no other moment. */
  #picture(when: string): void {
    if (!this.#from) return
    const { host, files, key, clock } = this.#from
    const { isAnswered } = this
    const state = JSON.stringify([this.#writes, isAnswered, stateOf(host)])
    if (state === this.#last) return
    this.#last = state
    const [file] = files()
    const dir = join(dirname(file!), `moment-${this.moments.length}`)
    mkdirSync(dir)
    for (const path of files().filter((path) => existsSync(path))) copyFileSync(path, join(dir, basename(path)))
    this.moments.push({ when, dir, key, clock: clock.copy(), host: host.copy(), isAnswered })
  }
}

function stateOf({ capsules, snapshots }: MemoryHost): unknown {
  const there = [...capsules].map(([id, { isHeld, spec }]) => [id, isHeld, spec.network])
  return [there, [...snapshots.keys()]]
}
