import type { Kysely } from 'kysely'
import type { Rule, Template, TemplateStore } from './store.js'
import type { Tables, VersionRow } from './tables.js'
import { toVersion } from './versions.js'

export class SqlTemplates implements TemplateStore {
  constructor(private readonly db: Kysely<Tables>) {}

  async find(teamId: string, name: string): Promise<Template | undefined> {
    const row = await this.#meant()
      .where('templates.teamId', '=', teamId)
      .where('templates.name', '=', name)
      .executeTakeFirst()
    return row && toTemplate(row)
  }

  async list(teamIds: readonly string[]): Promise<Template[]> {
    const rows = await this.#meant()
      .where('templates.teamId', 'in', teamIds)
      .orderBy('versions.createdAt', 'desc')
      .orderBy('templates.name')
      .execute()
    return rows.map(toTemplate)
  }

  #meant() {
    return this.db
      .selectFrom('templates')
      .innerJoin('versions', 'versions.id', 'templates.versionId')
      .selectAll('versions')
      .select(['templates.name as templateName', 'templates.teamId', 'templates.platform'])
      .select(['templates.keepVersions', 'templates.expiresIn'])
  }
}

type Meant = VersionRow & Rule & { templateName: string; teamId: string; platform: number }

function toTemplate({ templateName, teamId, platform, keepVersions, expiresIn, ...version }: Meant): Template {
  const rule = { keepVersions, expiresIn }
  return { name: templateName, teamId, platform: platform === 1, ...rule, version: toVersion(version) }
}
