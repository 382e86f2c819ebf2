import type { Kysely } from 'kysely'
import type { Name, NameStore, Rule } from './store.js'
import type { Tables } from './tables.js'
import { tombstone } from './tombstone.js'

export class SqlNames implements NameStore {
  constructor(private readonly db: Kysely<Tables>) {}

  find(teamId: string, name: string): Promise<Name | undefined> {
    return this.db
      .selectFrom('templates')
      .selectAll()
      .where('teamId', '=', teamId)
      .where('name', '=', name)
      .executeTakeFirst()
  }

  async insert(name: Name): Promise<void> {
    await this.db.insertInto('templates').values(name).execute()
  }

  async point(id: string, versionId: string | null): Promise<void> {
    await this.db.updateTable('templates').set({ versionId }).where('id', '=', id).execute()
  }

  async rule(id: string, rule: Partial<Rule>): Promise<void> {
    if (Object.keys(rule).length === 0) return
    await this.db.updateTable('templates').set(rule).where('id', '=', id).execute()
  }

  get(id: string): Promise<Name | undefined> {
    return this.db.selectFrom('templates').selectAll().where('id', '=', id).executeTakeFirst()
  }

  expiring(): Promise<Name[]> {
    return this.db
      .selectFrom('templates')
      .selectAll()
      .where('versionId', 'is not', null)
      .where('expiresIn', 'is not', null)
      .execute()
  }

  async bury(id: string): Promise<void> {
    await this.db
      .updateTable('templates')
      .set({ name: tombstone(id), versionId: null })
      .where('id', '=', id)
      .execute()
  }

  async removeIfUnused(id: string): Promise<void> {
    await this.db
      .deleteFrom('templates')
      .where('id', '=', id)
      .where(({ not, exists, selectFrom }) =>
        not(exists(selectFrom('versions').select('versions.id').whereRef('versions.templateId', '=', 'templates.id'))),
      )
      .execute()
  }
}
