import type { Kysely } from 'kysely'
import { SqlAnswers } from './answers.js'
import { SqlCapsules } from './capsules.js'
import { SqlKeys } from './keys.js'
import { migrate } from './migrations/index.js'
import { firstTeams } from './migrations/001-first.js'
import { SqlNames } from './names.js'
import { openSqlite } from './sqlite.js'
import type { Store } from './store.js'
import type { Tables } from './tables.js'
import { SqlTemplates } from './templates.js'
import { SqlVersions } from './versions.js'

/**
 * Opens the store in the database file `path`, making it or bringing it to the newest form as needed.
 * @throws Problem `conflict` when another server has it open
 */
export async function openStore(path: string): Promise<Store> {
  const db = openSqlite(path)
  try {
    await migrate(db)
    return storeOn(db, {
      defaultId: await teamId(db, firstTeams.default),
      platformId: await teamId(db, firstTeams.platform),
    })
  } catch (error) {
    await db.destroy()
    throw error
  }
}

function storeOn(db: Kysely<Tables>, teams: Store['teams']): Store {
  return {
    teams,
    keys: new SqlKeys(db),
    names: new SqlNames(db),
    templates: new SqlTemplates(db),
    versions: new SqlVersions(db),
    capsules: new SqlCapsules(db),
    answers: new SqlAnswers(db),
    transaction: (work) => db.transaction().execute((within) => work(storeOn(within, teams))),
    close: () => db.destroy(),
  }
}

async function teamId(db: Kysely<Tables>, name: string): Promise<string> {
  const { id } = await db.selectFrom('teams').select('id').where('name', '=', name).executeTakeFirstOrThrow()
  return id
}
