/**
 * Where fake machines live: outside of any one driver, as real processes do, so that a server's restart finds them
 * again. Tests reach in here to make things go wrong.
 */
import { Gate } from './gate.js'
import type { FakeMachine } from './machine.js'

/** What a test may make fail or wait. */
export type Point = 'boot' | 'restore' | 'capture' | 'pause' | 'write' | 'fold' | 'flatten' | 'shorten'

export class FakeWorld {
  readonly machines = new Map<number, FakeMachine>()
  /** Paths of the agent that get no answer. */
  readonly silent = new Set<string>()
  readonly #failures = new Map<Point, Error>()
  readonly #gates = new Map<Point, Gate>()
  // Beyond what Linux gives to a process, so that a fake pid never is a real one.
  #lastPid = 0x4000_0000

  nextPid(): number {
    return ++this.#lastPid
  }

  /** The next time that this point is passed, it fails. */
  failNext(point: Point, error: Error): void {
    this.#failures.set(point, error)
  }

  /** Whoever comes to this point waits until the gate is opened. */
  hold(point: Point): Gate {
    const gate = new Gate()
    gate.close()
    this.#gates.set(point, gate)
    return gate
  }

  /** Called by the driver. */
  async pass(point: Point): Promise<void> {
    await this.#gates.get(point)?.passed()
    const failure = this.#failures.get(point)
    this.#failures.delete(point)
    if (failure) throw failure
  }

  /** The machine of a capsule. */
  machineOf(name: string): FakeMachine | undefined {
    return [...this.machines.values()].find((machine) => machine.name === name)
  }
}
