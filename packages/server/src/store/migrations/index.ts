/** The migrations in their order. What was released is never changed: a change is a new one. */
import { Migrator, type Kysely, type Migration } from 'kysely'
import type { Tables } from '../tables.js'
import { first } from './001-first.js'
import { engine } from './002-engine.js'
import { proxy } from './003-proxy.js'
import { meter } from './004-meter.js'
import { own } from './005-own.js'
import { begun } from './006-begun.js'

const migrations: Record<string, Migration> = {
  '001-first': first,
  '002-engine': engine,
  '003-proxy': proxy,
  '004-meter': meter,
  '005-own': own,
  '006-begun': begun,
}

/** Brings the database to the newest form (or to `target`, in tests), or throws what stopped it. */
export async function migrate(db: Kysely<Tables>, target?: string): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } })
  const { error } = await (target === undefined ? migrator.migrateToLatest() : migrator.migrateTo(target))
  if (error) throw new Error('The database could not be brought to the newest form.', { cause: error })
}
