import { newId, toProblem, type CapsuleBody, type ForkCapsule, type HostClient, type Timings } from '@wrenn/wire'
import type { Capsule } from '../store/store.js'
import type { Background } from './background.js'
import { assertRunning, findCapsule, newCapsule, take, toBody } from './capsule.js'
import type { Caller, Context, Timed } from './context.js'
import type { CapsuleEnvs } from './envs.js'
import { actorOf, type By } from './events/action.js'
import { assertCanReach } from './network.js'
import type { Begun } from './idempotency.js'
import type { Starter } from './starter.js'

interface Parts {
  background: Background
  starter: Starter
  envs: CapsuleEnvs
}

interface Asked {
  wanted: ForkCapsule
  begun?: Begun | undefined
}

interface Fork extends Asked {
  source: Capsule
  snapshotId: string
  by: By
}

/** Capsules that go on from where a running one is. */
export class Forks {
  constructor(
    private readonly context: Context,
    private readonly parts: Parts,
  ) {}

  /** The capsule to fork. @throws Problem `not_found`, `invalid_state` */
  async source({ teamId }: Caller, id: string): Promise<Capsule> {
    const capsule = findCapsule(await this.context.store.capsules.find(teamId, id))
    assertRunning(capsule)
    return capsule
  }

  /**
   * What an earlier try has made whose answer was lost: those that it broke off are in `error`, as those that fail are.
   * @returns undefined where there is none that was not
   */
  async made({ teamId }: Caller, { earlier }: Begun): Promise<Timed<CapsuleBody[]> | undefined> {
    if (earlier === undefined) return undefined
    const { store } = this.context
    const rows = await Promise.all(earlier.split(' ').map((id) => store.capsules.find(teamId, id)))
    const capsules = rows.map((row) => findCapsule(row))
    if (capsules.every(({ status }) => status === 'error' || status === 'starting')) return undefined
    return { body: capsules.map((one) => toBody(one, this.context, { withRenewal: true })), timings: {} }
  }

  /**
   * Captures once and starts as many capsules from that as are wanted; the source runs on. One that fails is in `error` and does not
   * take the others with it. Whoever asked may leave: it is completed.
   * @throws Problem `invalid_state`; `invalid_request` for a network where there is none; `internal_error` when the
   * source's variables cannot be opened; what the host says, when it cannot capture or none of them starts
   */
  async fork(caller: Caller, source: Capsule, { wanted, begun }: Asked): Promise<Timed<CapsuleBody[]>> {
    assertCanReach(this.context, wanted.network)
    // What cannot be passed on is not captured either.
    this.#envsOf(source, wanted)
    // All of them or none.
    await this.context.fleet.hostFor(source.id).admit({ count: wanted.count, memoryMb: source.memoryMb })
    const snapshotId = newId('snapshot')
    const by = { actor: actorOf(caller), metadata: { forked_from: source.id } }
    return this.parts.background.run(snapshotId, () => this.#fork({ source, snapshotId, wanted, begun, by }))
  }

  async #fork(fork: Fork): Promise<Timed<CapsuleBody[]>> {
    const { fleet, owed } = this.context
    const { source, snapshotId } = fork
    const host = fleet.hostFor(source.id)
    try {
      // The source is under way for the capture alone.
      const timings = await this.parts.background.run(source.id, () => this.#capture(host, source, snapshotId))
      const begun = performance.now()
      const body = await this.#startAll(host, fork, await this.#insert(fork))
      return { body, timings: { ...timings, start: performance.now() - begun } }
    } finally {
      await owed.pay(`the snapshot ${snapshotId}`, () => host.deleteSnapshot(snapshotId))
    }
  }

  async #capture(host: HostClient, { id, teamId }: Capsule, snapshotId: string): Promise<Timings> {
    const { store, owed } = this.context
    await take(store, { teamId, id, operation: 'fork', assert: assertRunning })
    try {
      const spec = { capsuleId: id, snapshotId, purpose: 'fork', keepSource: true } as const
      return (await host.capture(spec)).timings
    } finally {
      await owed.pay(`the fork of ${id}`, () => store.capsules.end(id, 'fork'))
    }
  }

  /** All rows at once: a crash leaves none that nobody knows. */
  async #insert({ source: known, wanted, begun }: Fork): Promise<Capsule[]> {
    const { id, teamId } = known
    // Of the row that was known: when the source was deleted since, it has none any more.
    const envs = this.#envsOf(known, wanted)
    return this.context.store.transaction(async (within) => {
      // As it is now: its version may be gone since.
      const source = findCapsule(await within.capsules.find(teamId, id))
      const heritage = { ...source, network: wanted.network ?? source.network }
      const rows = Array.from({ length: wanted.count }, () => {
        const row = newCapsule(heritage, source.proxyToken !== null)
        return { ...row, envs: this.parts.envs.seal(row.id, envs) }
      })
      for (const row of rows) await within.capsules.insert(row)
      await begun?.note(within, rows.map((row) => row.id).join(' '))
      return rows
    })
  }

  #envsOf(source: Capsule, { envs }: ForkCapsule) {
    return envs ?? this.parts.envs.open(source)
  }

  async #startAll(host: HostClient, { snapshotId, by }: Fork, rows: Capsule[]): Promise<CapsuleBody[]> {
    const { background, starter } = this.parts
    const source = { kind: 'snapshot', snapshotId } as const
    const ends = await Promise.allSettled(
      rows.map((row) => background.run(row.id, () => starter.start({ host, row, source, by }))),
    )
    const [first] = ends
    if (first?.status === 'rejected' && ends.every(({ status }) => status === 'rejected')) throw first.reason
    return Promise.all(rows.map((row, i) => this.#shown(row, ends[i]!)))
  }

  async #shown(row: Capsule, end: PromiseSettledResult<{ capsule: Capsule }>): Promise<CapsuleBody> {
    if (end.status === 'fulfilled') return toBody(end.value.capsule, this.context, { withRenewal: true })
    this.context.log.error({ err: end.reason as unknown, capsule: row.id }, 'a fork could not be started')
    const now = findCapsule(await this.context.store.capsules.find(row.teamId, row.id))
    // That it failed may not have been written down yet.
    const failed = { ...now, status: 'error', reason: toProblem(end.reason).message } as const
    return toBody(now.status === 'starting' ? failed : now, this.context)
  }
}
