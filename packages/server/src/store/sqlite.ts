/** All that is particular to SQLite. */
import { Problem } from '@wrenn/wire'
import { CamelCasePlugin, Kysely, SqliteDialect } from 'kysely'
import Database from 'libsql'
import type { Tables } from './tables.js'

/** How long another process may take to let go of the file, in milliseconds. */
const PATIENCE_MS = 1000

/**
 * Exclusive locking keeps a second server off the data directory; synchronous=FULL makes what was answered survive a
 * power cut.
 */
const PRAGMAS = [
  `busy_timeout = ${PATIENCE_MS}`,
  'locking_mode = EXCLUSIVE',
  'journal_mode = WAL',
  'synchronous = FULL',
  'foreign_keys = ON',
]

/**
 * Opens the database file, making it where there is none.
 * @throws Problem `conflict` when another process has it open
 */
export function openSqlite(path: string): Kysely<Tables> {
  const database = new Database(path)
  try {
    for (const pragma of PRAGMAS) database.pragma(pragma)
    // The lock is taken by the first transaction, not by the pragma.
    database.exec('BEGIN EXCLUSIVE; COMMIT')
  } catch (error) {
    database.close()
    if (isBusy(error))
      throw new Problem('conflict', 'Another Wrenn server is using this data directory.', {
        hint: 'Stop it first, or choose another data directory.',
        cause: error,
      })
    throw error
  }
  const dialect = new SqliteDialect({
    database: { prepare: (sql) => database.prepare(sql), close: () => close(database) },
  })
  return new Kysely<Tables>({ dialect, plugins: [new CamelCasePlugin()] })
}

/**
 * Statements that are not collected yet keep a closed connection, and with it the lock, alive. So the lock is given
 * up by hand, which needs the write-ahead log to be left first.
 */
function close(database: Database.Database): void {
  database.pragma('journal_mode = DELETE')
  database.pragma('locking_mode = NORMAL')
  database.exec('SELECT count(*) FROM sqlite_schema')
  database.close()
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY')
}
