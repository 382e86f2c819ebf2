/**
 * What capsules used and what teams reserved. None of it grows without bound: a capsule has at most 2,880 samples (half a
 * minute each, kept for a day). A team has at most 1,440 loads of a minute (a day) and 720 of an hour (30 days), each
 * only where something ran in it, and at most 1,100 sums of days (three years).
 */
import type { Kysely, Migration } from 'kysely'
import type { Tables } from '../tables.js'

export const meter: Migration = {
  async up(db: Kysely<Tables>) {
    await samples(db)
    await loads(db)
    await days(db)
    await db.schema.createIndex('capsules_by_status').on('capsules').column('status').execute()
    await db.schema
      .createTable('accounted')
      .addColumn('id', 'integer', (column) => column.primaryKey())
      .addColumn('until', 'integer', (column) => column.notNull())
      .execute()
  },
}

async function samples(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('samples')
    .addColumn('capsuleId', 'text', (column) => column.notNull())
    .addColumn('at', 'integer', (column) => column.notNull())
    .addColumn('cpuPct', 'real', (column) => column.notNull())
    .addColumn('memBytes', 'integer', (column) => column.notNull())
    .addColumn('diskBytes', 'integer', (column) => column.notNull())
    .addPrimaryKeyConstraint('samples_key', ['capsuleId', 'at'])
    .execute()
  await db.schema.createIndex('samples_by_age').on('samples').column('at').execute()
}

async function loads(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('loads')
    .addColumn('teamId', 'text', (column) => column.notNull())
    .addColumn('step', 'integer', (column) => column.notNull())
    .addColumn('at', 'integer', (column) => column.notNull())
    .addColumn('running', 'integer', (column) => column.notNull())
    .addColumn('vcpus', 'integer', (column) => column.notNull())
    .addColumn('memoryMb', 'integer', (column) => column.notNull())
    .addPrimaryKeyConstraint('loads_key', ['teamId', 'step', 'at'])
    .execute()
}

async function days(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('days')
    .addColumn('teamId', 'text', (column) => column.notNull())
    .addColumn('day', 'text', (column) => column.notNull())
    .addColumn('cpuMs', 'integer', (column) => column.notNull())
    .addColumn('ramMbMs', 'integer', (column) => column.notNull())
    .addPrimaryKeyConstraint('days_key', ['teamId', 'day'])
    .execute()
}
