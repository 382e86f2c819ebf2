/** The migrations in their order. What was released is never changed: a change is a new one. */
import { Problem } from '@wrenn/wire'
import { Migrator, sql, type Kysely, type Migration } from 'kysely'
import type { Tables } from '../tables.js'
import { first } from './001-first.js'
import { engine } from './002-engine.js'
import { proxy } from './003-proxy.js'
import { meter } from './004-meter.js'
import { own } from './005-own.js'
import { begun } from './006-begun.js'
import { anything } from './007-anything.js'

const migrations: Record<string, Migration> = {
  '001-first': first,
  '002-engine': engine,
  '003-proxy': proxy,
  '004-meter': meter,
  '005-own': own,
  '006-begun': begun,
  '007-anything': anything,
}

/** The names of the migrations that a database has had. */
async function executed(db: Kysely<Tables>): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true })
  if (!tables.some(({ name }) => name === 'kysely_migration')) return []
  const { rows } = await sql<{ name: string }>`select name from kysely_migration`.execute(db)
  return rows.map(({ name }) => name)
}

/** The migrations that a database has had and that this version does not know. */
export async function unknownMigrations(db: Kysely<Tables>): Promise<string[]> {
  return (await executed(db)).filter((name) => !(name in migrations))
}

/** The last migration that a database has had. */
export async function formOf(db: Kysely<Tables>): Promise<string> {
  return (await executed(db)).sort().at(-1) ?? 'none'
}

/** Whether a database has had all migrations that there are. */
export async function isNewest(db: Kysely<Tables>): Promise<boolean> {
  const names = await executed(db)
  return Object.keys(migrations).every((name) => names.includes(name))
}

/**
 * Brings the database to the newest form (or to `target`, in tests), or throws what stopped it.
 * @throws Problem `conflict` when a newer version of Wrenn has brought it to a form that is not known here
 */
export async function migrate(db: Kysely<Tables>, target?: string): Promise<void> {
  const [unknown] = await unknownMigrations(db)
  if (unknown !== undefined)
    throw new Problem('conflict', `The database was made by a newer version of Wrenn (it has had ${unknown}).`, {
      hint: 'Start that version or a newer one, or choose another data directory with WRENN_DATA_DIR.',
    })
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } })
  const { error } = await (target === undefined ? migrator.migrateToLatest() : migrator.migrateTo(target))
  if (error) throw new Error('The database could not be brought to the newest form.', { cause: error })
}
