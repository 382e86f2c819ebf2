import { capsuleStatuses, type CapsuleStatus, type NetworkPolicy, type Renewal } from '@wrenn/wire'
import { sql, type ExpressionBuilder, type Kysely } from 'kysely'
import { lastStatuses, moves, operations, type MoveName, type Operation } from './moves.js'
import type { Capsule, CapsuleStore, Change, Labels, MoveFacts } from './store.js'
import type { CapsuleRow, Tables } from './tables.js'
import { now } from './time.js'

export class SqlCapsules implements CapsuleStore {
  constructor(
    private readonly db: Kysely<Tables>,
    /** Told of every change of status that was made, whether or not it will be committed. */
    private readonly changed: (change: Change) => void,
  ) {}

  async insert({ metadata, network, renewal, ...capsule }: Capsule): Promise<void> {
    await this.db
      .insertInto('capsules')
      .values({
        ...capsule,
        metadata: metadata && JSON.stringify(metadata),
        network: JSON.stringify(network),
        renewal: renewal && JSON.stringify(renewal),
      })
      .execute()
  }

  async find(teamId: string, id: string): Promise<Capsule | undefined> {
    const row = await this.db
      .selectFrom('capsules')
      .selectAll()
      .where('id', '=', id)
      .where('teamId', '=', teamId)
      .executeTakeFirst()
    return row && toCapsule(row)
  }

  async ofAnyTeam(id: string): Promise<Capsule | undefined> {
    const row = await this.db.selectFrom('capsules').selectAll().where('id', '=', id).executeTakeFirst()
    return row && toCapsule(row)
  }

  async listAlive(teamId: string): Promise<Capsule[]> {
    const rows = await this.db
      .selectFrom('capsules')
      .selectAll()
      .where('teamId', '=', teamId)
      .where('status', 'not in', ['stopped', 'error'])
      // The order in which they were made, whatever the clock said.
      .orderBy(sql`rowid`, 'desc')
      .execute()
    return rows.map(toCapsule)
  }

  async unsettled(): Promise<Capsule[]> {
    const rows = await this.db
      .selectFrom('capsules')
      .selectAll()
      .where(({ or, eb }) => or([eb('status', 'in', ['starting', 'running']), eb('operation', 'is not', null)]))
      .execute()
    return rows.map(toCapsule)
  }

  async pauses(): Promise<string[]> {
    const rows = await this.db
      .selectFrom('capsules')
      .select('snapshotId')
      .where('snapshotId', 'is not', null)
      .$narrowType<{ snapshotId: string }>()
      .execute()
    return rows.map(({ snapshotId }) => snapshotId)
  }

  async move(id: string, name: MoveName, { renewal, ...facts }: MoveFacts = {}): Promise<boolean> {
    const { from, during, to } = moves[name]
    const before = await this.db.selectFrom('capsules').select('status').where('id', '=', id).executeTakeFirst()
    const after = await this.db
      .updateTable('capsules')
      .set({
        ...facts,
        ...(renewal ? { renewal: JSON.stringify(renewal) } : {}),
        ...(lastStatuses.includes(to) ? { envs: null } : {}),
        status: to,
        operation: null,
        lastUpdated: now(),
      })
      .where('id', '=', id)
      .where('status', 'in', from)
      .where((eb) => eb.or(during.map((operation) => isUnderWay(eb, operation))))
      .returningAll()
      .executeTakeFirst()
    if (!before || !after) return false
    this.changed({ capsule: toCapsule(after), from: before.status, move: name })
    return true
  }

  async begin(id: string, operation: Operation): Promise<boolean> {
    const { numUpdatedRows } = await this.db
      .updateTable('capsules')
      .set({ operation })
      .where('id', '=', id)
      .where('status', 'in', operations[operation].from)
      .where('operation', 'is', null)
      .executeTakeFirst()
    return numUpdatedRows === 1n
  }

  async end(id: string, operation: Operation): Promise<void> {
    await this.db
      .updateTable('capsules')
      .set({ operation: null })
      .where('id', '=', id)
      .where('operation', '=', operation)
      .execute()
  }

  async active(id: string, at: string): Promise<void> {
    await this.db.updateTable('capsules').set({ lastActiveAt: at }).where('id', '=', id).execute()
  }

  async reach(id: string, network: NetworkPolicy): Promise<boolean> {
    const { numUpdatedRows } = await this.db
      .updateTable('capsules')
      .set({ network: JSON.stringify(network), operation: null, lastUpdated: now() })
      .where('id', '=', id)
      .where('operation', '=', 'network')
      .executeTakeFirst()
    return numUpdatedRows === 1n
  }

  async countAlive(): Promise<{ status: CapsuleStatus; count: number }[]> {
    const rows = await this.db
      .selectFrom('capsules')
      .select(({ fn }) => ['status', fn.countAll<number>().as('count')])
      // All but those, in the form that an index helps with: there are more that have ended than that live.
      .where('status', 'in', alive)
      .groupBy('status')
      .execute()
    return rows.map(({ status, count }) => ({ status, count: Number(count) }))
  }
}

const alive = capsuleStatuses.filter((status) => status !== 'stopped' && status !== 'error')

function toCapsule({ metadata, network, renewal, ...row }: CapsuleRow): Capsule {
  return {
    ...row,
    metadata: metadata === null ? null : (JSON.parse(metadata) as Labels),
    network: JSON.parse(network) as NetworkPolicy,
    renewal: renewal === null ? null : (JSON.parse(renewal) as Renewal),
  }
}

function isUnderWay(eb: ExpressionBuilder<Tables, 'capsules'>, operation: Operation | null) {
  return operation === null ? eb('operation', 'is', null) : eb('operation', '=', operation)
}
