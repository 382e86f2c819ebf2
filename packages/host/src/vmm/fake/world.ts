/**
 * Where fake machines live: outside of any one driver, as real processes do, so that a server's restart finds them
 * again. Tests reach in here to make things go wrong.
 */
import { Gate } from './gate.js'
import { FakeMachine, type MachinePicture } from './machine.js'

/** What a test may make fail or wait. */
export type Point =
  'boot' | 'restore' | 'adopt' | 'capture' | 'pause' | 'resume' | 'write' | 'fold' | 'flatten' | 'shorten' | 'stop'

export class FakeWorld {
  readonly machines = new Map<number, FakeMachine>()
  /** Paths of the agent that get no answer. */
  readonly silent = new Set<string>()
  /** Stands around what drivers do, for who wants to look before and after it. */
  around: (point: Point, work: () => Promise<unknown>) => Promise<unknown> = (_, work) => work()
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

  /** What drivers do goes through here. */
  async step<T>(point: Point, work: () => T | Promise<T>): Promise<T> {
    const step = async () => {
      await this.#gates.get(point)?.passed()
      const failure = this.#failures.get(point)
      this.#failures.delete(point)
      if (failure) throw failure
      return work()
    }
    return (await this.around(point, step)) as T
  }

  /** The machines as they are now; `putBack` makes them again in a world in which there are none. */
  picture(): MachinePicture[] {
    return [...this.machines.values()].map((machine) => machine.picture())
  }

  /** The files of their disks have to be where they were. */
  putBack(pictures: readonly MachinePicture[]): void {
    for (const picture of pictures) FakeMachine.putBack(this, picture)
  }

  /** The machine of a capsule. */
  machineOf(name: string): FakeMachine | undefined {
    return [...this.machines.values()].find((machine) => machine.name === name)
  }
}
