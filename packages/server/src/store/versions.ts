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

  async ready(id: string, { metadata, ...facts }: Ready): Promise<void> {
    await this.db
      .updateTable('versions')
      .set(({ selectFrom }) => ({
        ...facts,
        metadata: JSON.stringify(metadata),
        state: 'ready' as const,
        number: selectFrom('versions as other')
          .whereRef('other.templateId', '=', 'versions.templateId')
          .select(({ eb, fn, lit }) => eb(fn.coalesce(fn.max('other.number'), lit(0)), '+', 1).as('next')),
      }))
      .where('id', '=', id)
      .execute()
  }

  async retire(id: string): Promise<void> {
    await this.db.updateTable('versions').set({ state: 'retired' }).where('id', '=', id).execute()
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
}
