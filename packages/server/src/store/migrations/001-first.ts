import { newId } from '@wrenn/wire'
import type { Kysely, Migration } from 'kysely'
import type { Tables } from '../tables.js'
import { now } from '../time.js'

/** The names of the teams that exist from the start. */
export const firstTeams = { default: 'default', platform: 'platform' } as const

export const first: Migration = {
  async up(db: Kysely<Tables>) {
    await teams(db)
    await keys(db)
    await templates(db)
    await versions(db)
    await capsules(db)
    const rows = Object.values(firstTeams).map((name) => ({ id: newId('team'), name, createdAt: now() }))
    await db.insertInto('teams').values(rows).execute()
  },
}

async function teams(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('teams')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull().unique())
    .addColumn('createdAt', 'text', (column) => column.notNull())
    .execute()
}

async function keys(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('keys')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('teamId', 'text', (column) => column.notNull().references('teams.id'))
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('hash', 'text', (column) => column.notNull().unique())
    .addColumn('prefix', 'text', (column) => column.notNull())
    .addColumn('createdAt', 'text', (column) => column.notNull())
    .addColumn('lastUsedAt', 'text')
    .addColumn('revokedAt', 'text')
    .execute()
}

async function templates(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('templates')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('teamId', 'text', (column) => column.notNull().references('teams.id'))
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('platform', 'integer', (column) => column.notNull())
    // No foreign key: versions refer to templates already, and both are always written in one transaction.
    .addColumn('versionId', 'text')
    .addColumn('createdAt', 'text', (column) => column.notNull())
    .addUniqueConstraint('templates_name', ['teamId', 'name'])
    .execute()
}

async function versions(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('versions')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('templateId', 'text', (column) => column.notNull().references('templates.id'))
    .addColumn('number', 'integer')
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('ref', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('vcpus', 'integer')
    .addColumn('memoryMb', 'integer')
    .addColumn('sizeBytes', 'bigint', (column) => column.notNull())
    .addColumn('parent', 'text')
    .addColumn('sourceCapsuleId', 'text')
    .addColumn('metadata', 'text', (column) => column.notNull())
    .addColumn('createdAt', 'text', (column) => column.notNull())
    .addUniqueConstraint('versions_number', ['templateId', 'number'])
    .execute()
}

async function capsules(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('capsules')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('teamId', 'text', (column) => column.notNull().references('teams.id'))
    .addColumn('template', 'text', (column) => column.notNull())
    .addColumn('versionId', 'text', (column) => column.references('versions.id').onDelete('set null'))
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('operation', 'text')
    .addColumn('vcpus', 'integer', (column) => column.notNull())
    .addColumn('memoryMb', 'integer', (column) => column.notNull())
    .addColumn('timeoutSec', 'integer', (column) => column.notNull())
    .addColumn('diskSizeMb', 'integer', (column) => column.notNull())
    .addColumn('metadata', 'text')
    .addColumn('reason', 'text')
    .addColumn('createdAt', 'text', (column) => column.notNull())
    .addColumn('startedAt', 'text')
    .addColumn('lastActiveAt', 'text')
    .addColumn('lastUpdated', 'text', (column) => column.notNull())
    .execute()
  await db.schema.createIndex('capsules_of_team').on('capsules').columns(['teamId', 'createdAt']).execute()
  await db.schema.createIndex('capsules_of_version').on('capsules').column('versionId').execute()
}
