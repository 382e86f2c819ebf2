/** What was begun under an idempotency key is known before its answer is. */
import type { Kysely, Migration } from 'kysely'
import type { Tables } from '../tables.js'

export const begun: Migration = {
  async up(db: Kysely<Tables>) {
    await db.schema.alterTable('answers').addColumn('capsuleId', 'text').execute()
  },
}
