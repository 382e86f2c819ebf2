/** The migrations in their order. What was released is never changed: a change is a new one. */
import { Migrator, type Kysely, type Migration } from 'kysely'
import type { Tables } from '../tables.js'
import { first } from './001-first.js'

const migrations: Record<string, Migration> = { '001-first': first }

/** Brings the database to the newest form, or throws what stopped it. */
export async function migrate(db: Kysely<Tables>): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } })
  const { error } = await migrator.migrateToLatest()
  if (error) throw new Error('The database could not be brought to the newest form.', { cause: error })
}
