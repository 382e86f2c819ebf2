import type { Kysely } from 'kysely'
import type { AnswerStore, StoredAnswer } from './store.js'
import type { Tables } from './tables.js'

export class SqlAnswers implements AnswerStore {
  constructor(private readonly db: Kysely<Tables>) {}

  find(keyId: string, idempotencyKey: string): Promise<StoredAnswer | undefined> {
    return this.db
      .selectFrom('answers')
      .selectAll()
      .where('keyId', '=', keyId)
      .where('idempotencyKey', '=', idempotencyKey)
      .executeTakeFirst()
  }

  async put({ keyId, idempotencyKey, ...rest }: StoredAnswer): Promise<void> {
    await this.db
      .insertInto('answers')
      .values({ keyId, idempotencyKey, ...rest })
      .onConflict((conflict) => conflict.columns(['keyId', 'idempotencyKey']).doUpdateSet(rest))
      .execute()
  }

  async remove(keyId: string, idempotencyKey: string): Promise<void> {
    await this.db
      .deleteFrom('answers')
      .where('keyId', '=', keyId)
      .where('idempotencyKey', '=', idempotencyKey)
      .execute()
  }

  async oldest(): Promise<string | undefined> {
    const row = await this.db.selectFrom('answers').select('createdAt').orderBy('createdAt').limit(1).executeTakeFirst()
    return row?.createdAt
  }

  async forget(until: string): Promise<void> {
    await this.db.deleteFrom('answers').where('createdAt', '<=', until).execute()
  }
}
