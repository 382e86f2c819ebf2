/**
 * Versions that are kept after they were overwritten, with a rule for how many and for how long; pauses; answers that
 * are given again to whoever repeats a request.
 */
import { KEPT_VERSIONS } from '@wrenn/wire'
import { sql, type Kysely, type Migration } from 'kysely'
import type { Tables } from '../tables.js'
import { tombstone } from '../tombstone.js'

export const engine: Migration = {
  async up(db: Kysely<Tables>) {
    await templates(db)
    await versions(db)
    await db.schema.alterTable('capsules').addColumn('snapshotId', 'text').execute()
    await answers(db)
    await countNumbers(db)
    await buryDeletedNames(db)
  },
}

async function templates(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .alterTable('templates')
    .addColumn('keepVersions', 'integer', (column) => column.notNull().defaultTo(KEPT_VERSIONS))
    .execute()
  await db.schema.alterTable('templates').addColumn('expiresIn', 'integer').execute()
  await db.schema
    .alterTable('templates')
    .addColumn('lastNumber', 'integer', (column) => column.notNull().defaultTo(0))
    .execute()
}

async function versions(db: Kysely<Tables>): Promise<void> {
  await db.schema.alterTable('versions').addColumn('parentNumber', 'integer').execute()
  for (const column of ['lastUsedAt', 'damage', 'checkedAt'])
    await db.schema.alterTable('versions').addColumn(column, 'text').execute()
  await db.schema.createIndex('versions_of_ref').on('versions').column('ref').execute()
}

async function answers(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('answers')
    .addColumn('keyId', 'text', (column) => column.notNull())
    .addColumn('idempotencyKey', 'text', (column) => column.notNull())
    .addColumn('request', 'text', (column) => column.notNull())
    .addColumn('sealed', 'text', (column) => column.notNull())
    .addColumn('createdAt', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('answers_key', ['keyId', 'idempotencyKey'])
    .execute()
  await db.schema.createIndex('answers_by_age').on('answers').column('createdAt').execute()
}

async function countNumbers(db: Kysely<Tables>): Promise<void> {
  await db
    .updateTable('templates')
    .set(({ selectFrom }) => ({
      lastNumber: selectFrom('versions')
        .whereRef('versions.templateId', '=', 'templates.id')
        .select(({ fn, lit }) => fn.coalesce(fn.max('versions.number'), lit(0)).as('last')),
    }))
    .execute()
}

/** A name that means nothing, and is not being given a meaning, was deleted: it is free from now on. */
async function buryDeletedNames(db: Kysely<Tables>): Promise<void> {
  await db
    .updateTable('templates')
    .set({ name: sql`${tombstone('')} || id` })
    .where('versionId', 'is', null)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('versions')
            .select('versions.id')
            .whereRef('versions.templateId', '=', 'templates.id')
            .where('versions.state', '=', 'pending'),
        ),
      ),
    )
    .execute()
}
