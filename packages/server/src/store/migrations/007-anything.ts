/** Anything may have been begun under an idempotency key, and not only a capsule. */
import type { Kysely, Migration } from 'kysely'
import type { Tables } from '../tables.js'

export const anything: Migration = {
  async up(db: Kysely<Tables>) {
    await db.schema.alterTable('answers').renameColumn('capsuleId', 'begun').execute()
  },
}
