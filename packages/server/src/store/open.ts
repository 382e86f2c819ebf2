import type { Kysely } from 'kysely'
import { SqlAnswers } from './answers.js'
import { SqlCapsules } from './capsules.js'
import { Commits, type Commit } from './commits.js'
import { SqlKeys } from './keys.js'
import { SqlMeter } from './meter.js'
import { migrate } from './migrations/index.js'
import { firstTeams } from './migrations/001-first.js'
import { SqlNames } from './names.js'
import { openSqlite } from './sqlite.js'
import type { Change, Store } from './store.js'
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
    return rootStore(db, {
      defaultId: await teamId(db, firstTeams.default),
      platformId: await teamId(db, firstTeams.platform),
    })
  } catch (error) {
    await db.destroy()
    throw error
  }
}

function rootStore(db: Kysely<Tables>, teams: Store['teams']): Store {
  const commits = new Commits()
  const listeners: ((change: Change) => void)[] = []
  const transaction: Store['transaction'] = async (work) => {
    let commit: Commit | undefined
    try {
      const result = await db.transaction().execute((within) => {
        commit = commits.begin()
        return work({ ...tablesOn(within, changed), ...shared, transaction: nested, afterCommit: commit.add })
      })
      commit?.done()
      return result
    } catch (error) {
      commit?.undone()
      throw error
    }
    function changed(change: Change): void {
      commit!.add(() => listeners.forEach((listener) => listener(change)))
    }
  }
  const shared = {
    teams,
    transaction,
    onChange: (listener: (change: Change) => void) => void listeners.push(listener),
    close: () => db.destroy(),
  }
  const tables = tablesOn(db, () => {})
  // A change is always told by a transaction.
  tables.capsules.move = (...move) => transaction((within) => within.capsules.move(...move))
  return { ...tables, ...shared, afterCommit: (work) => work() }
}

/** It would wait for the one around it for ever. */
async function nested(): Promise<never> {
  throw new Error('a transaction within a transaction')
}

function tablesOn(db: Kysely<Tables>, changed: (change: Change) => void) {
  return {
    keys: new SqlKeys(db),
    names: new SqlNames(db),
    templates: new SqlTemplates(db),
    versions: new SqlVersions(db),
    capsules: new SqlCapsules(db, changed),
    answers: new SqlAnswers(db),
    meter: new SqlMeter(db),
  }
}

async function teamId(db: Kysely<Tables>, name: string): Promise<string> {
  const { id } = await db.selectFrom('teams').select('id').where('name', '=', name).executeTakeFirstOrThrow()
  return id
}
