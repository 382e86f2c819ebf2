/** What is a capsule's own (variables, network, renewal), and what a key may do and until when. */
import { sql, type Kysely, type Migration } from 'kysely'
import { openNetwork } from '@wrenn/wire'
import type { Tables } from '../tables.js'

export const own: Migration = {
  async up(db: Kysely<Tables>) {
    const open = sql.lit(JSON.stringify(openNetwork))
    await db.schema.alterTable('capsules').addColumn('envs', 'text').execute()
    await db.schema
      .alterTable('capsules')
      .addColumn('network', 'text', (column) => column.notNull().defaultTo(open))
      .execute()
    await db.schema.alterTable('capsules').addColumn('renewal', 'text').execute()
    await db.schema
      .alterTable('keys')
      .addColumn('scope', 'text', (column) => column.notNull().defaultTo('admin'))
      .execute()
    await db.schema.alterTable('keys').addColumn('expiresAt', 'text').execute()
  },
}
