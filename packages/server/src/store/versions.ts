import type { Kysely } from 'kysely'
import type { Labels, Ready, Version, VersionStore } from './store.js'
import type { Tables, VersionRow } from './tables.js'

/** A row with its JSON read. */
export function toVersion({ metadata, ...row }: VersionRow): Version {
  return { ...row, metadata: JSON.parse(metadata) as Labels }
}

export class SqlVersions implements VersionStore {
  constructor(private readonly db: Kysely<Tables>) {}

  async insert({ metadata, ...version }: Version): Promise<void> {
    await this.db
      .insertInto('versions')
      .values({ ...version, metadata: JSON.stringify(metadata) })
      .execute()
  }

  async get(id: string): Promise<Version | undefined> {
    const row = await this.db.selectFrom('versions').selectAll().where('id', '=', id).executeTakeFirst()
    return row && toVersion(row)
  }

  async pending(templateId?: string): Promise<Version[]> {
    const all = this.db.selectFrom('versions').selectAll().where('state', '=', 'pending')
    const rows = await (templateId === undefined ? all : all.where('templateId', '=', templateId)).execute()
    return rows.map(toVersion)
  }

  async kept(templateId: string): Promise<Version[]> {
    const rows = await this.#ready().where('templateId', '=', templateId).orderBy('number', 'desc').execute()
    return rows.map(toVersion)
  }

  async numbered(templateId: string, number: number): Promise<Version | undefined> {
    const all = this.#ready().where('templateId', '=', templateId)
    const row = await all.where('number', '=', number).executeTakeFirst()
    return row && toVersion(row)
  }

  async byRef(ref: string): Promise<Version | undefined> {
    const row = await this.#ready().where('ref', '=', ref).executeTakeFirst()
    return row && toVersion(row)
  }

  async leastChecked(): Promise<Version | undefined> {
    const row = await this.#ready()
      // Its digests were taken when it was made.
      .orderBy(({ fn }) => fn.coalesce('checkedAt', 'createdAt'))
      .executeTakeFirst()
    return row && toVersion(row)
  }

  async ready(id: string, { metadata, ...facts }: Ready): Promise<void> {
    await this.db
      .updateTable('templates')
      .set(({ eb }) => ({ lastNumber: eb('lastNumber', '+', 1) }))
      .where(({ eb, selectFrom }) =>
        eb('id', '=', selectFrom('versions').select('versions.templateId').where('versions.id', '=', id)),
      )
      .execute()
    await this.db
      .updateTable('versions')
      .set(({ selectFrom }) => ({
        ...facts,
        metadata: JSON.stringify(metadata),
        state: 'ready' as const,
        number: selectFrom('templates')
          .whereRef('templates.id', '=', 'versions.templateId')
          .select('templates.lastNumber'),
      }))
      .where('id', '=', id)
      .execute()
  }

  rehome(id: string, templateId: string): Promise<void> {
    return this.#set(id, { templateId })
  }

  used(id: string, at: string): Promise<void> {
    return this.#set(id, { lastUsedAt: at })
  }

  mark(id: string, damage: string | null): Promise<void> {
    return this.#set(id, { damage })
  }

  checked(id: string, at: string): Promise<void> {
    return this.#set(id, { checkedAt: at })
  }

  retire(id: string): Promise<void> {
    return this.#set(id, { state: 'retired' })
  }

  async removable(): Promise<Version[]> {
    const rows = await this.db
      .selectFrom('versions')
      .selectAll()
      .where('state', '=', 'retired')
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('capsules')
              .select('capsules.id')
              .whereRef('capsules.versionId', '=', 'versions.id')
              .where('capsules.status', '=', 'starting'),
          ),
        ),
      )
      .execute()
    return rows.map(toVersion)
  }

  async remove(id: string): Promise<void> {
    await this.db.deleteFrom('versions').where('id', '=', id).execute()
  }

  async snapshotIds(): Promise<string[]> {
    const rows = await this.db
      .selectFrom('versions')
      .select('ref')
      .where('kind', '=', 'snapshot')
      .where('state', '!=', 'pending')
      .execute()
    return rows.map(({ ref }) => ref)
  }

  async totals(): Promise<{ count: number; bytes: number }> {
    const { count, bytes } = await this.db
      .selectFrom('versions')
      .select(({ fn }) => [fn.countAll<number>().as('count'), fn.sum<number | null>('sizeBytes').as('bytes')])
      .where('state', '=', 'ready')
      .executeTakeFirstOrThrow()
    return { count: Number(count), bytes: Number(bytes ?? 0) }
  }

  #ready() {
    return this.db.selectFrom('versions').selectAll().where('state', '=', 'ready')
  }

  async #set(id: string, facts: Partial<VersionRow>): Promise<void> {
    await this.db.updateTable('versions').set(facts).where('id', '=', id).execute()
  }
}
