import { sql, type Kysely } from 'kysely'
import type { Key, KeyStore } from './store.js'
import type { Tables } from './tables.js'

export class SqlKeys implements KeyStore {
  constructor(private readonly db: Kysely<Tables>) {}

  async insert(key: Key): Promise<void> {
    await this.db.insertInto('keys').values(key).execute()
  }

  byHash(hash: string): Promise<Key | undefined> {
    return this.db.selectFrom('keys').selectAll().where('hash', '=', hash).executeTakeFirst()
  }

  list(teamId: string): Promise<Key[]> {
    return (
      this.db
        .selectFrom('keys')
        .selectAll()
        .where('teamId', '=', teamId)
        .where('revokedAt', 'is', null)
        // The order in which they were made, whatever the clock said.
        .orderBy(sql`rowid`, 'desc')
        .execute()
    )
  }

  async used(id: string, at: string): Promise<void> {
    await this.db.updateTable('keys').set({ lastUsedAt: at }).where('id', '=', id).execute()
  }

  async revoke({ teamId, id, at }: { teamId: string; id: string; at: string }): Promise<boolean> {
    const { numUpdatedRows } = await this.db
      .updateTable('keys')
      .set({ revokedAt: at })
      .where('id', '=', id)
      .where('teamId', '=', teamId)
      .where('revokedAt', 'is', null)
      .executeTakeFirst()
    return numUpdatedRows === 1n
  }
}
