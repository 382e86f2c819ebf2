/** A token for each capsule whose ports ask for one. */
import type { Kysely, Migration } from 'kysely'
import type { Tables } from '../tables.js'

export const proxy: Migration = {
  async up(db: Kysely<Tables>) {
    await db.schema.alterTable('capsules').addColumn('proxyToken', 'text').execute()
  },
}
