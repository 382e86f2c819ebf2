import { sql, type Kysely } from 'kysely'
import type { Day, Load, MeterStore, Period, Sample } from './store.js'
import type { Tables } from './tables.js'

/** Rows of one statement: the database takes only so many parameters. */
const BATCH = 200

export class SqlMeter implements MeterStore {
  constructor(private readonly db: Kysely<Tables>) {}

  async addSamples(samples: readonly Sample[]): Promise<void> {
    for (const batch of batches(samples))
      await this.db
        .insertInto('samples')
        .values(batch)
        .onConflict((on) => on.doNothing())
        .execute()
  }

  samples(capsuleId: string, { from, to }: Period, step: number): Promise<Omit<Sample, 'capsuleId'>[]> {
    const at = sql<number>`at / ${sql.lit(step)} * ${sql.lit(step)}`
    return this.db
      .selectFrom('samples')
      .select(({ fn }) => [
        at.as('at'),
        fn.avg<number>('cpuPct').as('cpuPct'),
        sql<number>`cast(avg(mem_bytes) as integer)`.as('memBytes'),
        sql<number>`cast(avg(disk_bytes) as integer)`.as('diskBytes'),
      ])
      .where('capsuleId', '=', capsuleId)
      .where('at', '>=', from)
      .where('at', '<', to)
      .groupBy(at)
      .orderBy(at)
      .execute()
  }

  async raiseLoads(loads: readonly Load[]): Promise<void> {
    const most = (column: 'running' | 'vcpus' | 'memory_mb') =>
      sql<number>`max(loads.${sql.raw(column)}, excluded.${sql.raw(column)})`
    for (const batch of batches(loads))
      await this.db
        .insertInto('loads')
        .values(batch)
        .onConflict((on) =>
          on.columns(['teamId', 'step', 'at']).doUpdateSet({
            running: most('running'),
            vcpus: most('vcpus'),
            memoryMb: most('memory_mb'),
          }),
        )
        .execute()
  }

  loads(teamId: string, step: number, { from, to }: Period): Promise<Load[]> {
    return this.db
      .selectFrom('loads')
      .selectAll()
      .where('teamId', '=', teamId)
      .where('step', '=', step)
      .where('at', '>=', from)
      .where('at', '<', to)
      .orderBy('at')
      .execute()
  }

  async addDays(days: readonly Day[]): Promise<void> {
    for (const batch of batches(days))
      await this.db
        .insertInto('days')
        .values(batch)
        .onConflict((on) =>
          on.columns(['teamId', 'day']).doUpdateSet({
            cpuMs: sql`days.cpu_ms + excluded.cpu_ms`,
            ramMbMs: sql`days.ram_mb_ms + excluded.ram_mb_ms`,
          }),
        )
        .execute()
  }

  days(teamId: string, from: string, to: string): Promise<Day[]> {
    return this.db
      .selectFrom('days')
      .selectAll()
      .where('teamId', '=', teamId)
      .where('day', '>=', from)
      .where('day', '<=', to)
      .orderBy('day')
      .execute()
  }

  async accountedUntil(): Promise<number | undefined> {
    return (await this.db.selectFrom('accounted').select('until').executeTakeFirst())?.until
  }

  async accounted(until: number): Promise<void> {
    await this.db
      .insertInto('accounted')
      .values({ id: 1, until })
      .onConflict((on) => on.column('id').doUpdateSet({ until }))
      .execute()
  }

  async forget({ samples, loads, day }: Parameters<MeterStore['forget']>[0]): Promise<void> {
    await this.db.deleteFrom('samples').where('at', '<', samples).execute()
    for (const { step, at } of loads)
      await this.db.deleteFrom('loads').where('step', '=', step).where('at', '<', at).execute()
    await this.db.deleteFrom('days').where('day', '<', day).execute()
  }
}

function* batches<T>(rows: readonly T[]): Generator<T[]> {
  for (let i = 0; i < rows.length; i += BATCH) yield rows.slice(i, i + BATCH)
}
