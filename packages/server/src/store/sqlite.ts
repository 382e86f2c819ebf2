/** All that is particular to SQLite. */
import { Problem } from '@wrenn/wire'
import { CamelCasePlugin, Kysely, SqliteDialect, type SqliteStatement } from 'kysely'
import Database from 'libsql'
import { sqliteProblem } from './sqlite-problem.js'
import type { Tables } from './tables.js'

/** How long another process may take to let go of the file, in milliseconds. */
const PATIENCE_MS = 1000

/** How many statements are kept: more than there are of constant text. */
const MOST_KEPT = 256

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
 * @throws Problem `conflict` when another process has it open; `insufficient_storage` and `host_unavailable` when its file
 * cannot be written
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
    throw sqliteProblem(error)
  }
  const dialect = new SqliteDialect({
    database: { prepare: kept((sql) => prepare(database, sql)), close: () => close(database) },
  })
  return new Kysely<Tables>({ dialect, plugins: [new CamelCasePlugin()] })
}

type Values = readonly unknown[]

/**
 * Keeps statements to use them again, the least recently used going first: to prepare one takes longer than to run most,
 * and what it holds outside of the heap stays until it is collected, which is late when little else is.
 */
function kept(prepare: (sql: string) => SqliteStatement): (sql: string) => SqliteStatement {
  const statements = new Map<string, SqliteStatement>()
  return (sql) => {
    const statement = statements.get(sql) ?? prepare(sql)
    statements.delete(sql)
    statements.set(sql, statement)
    if (statements.size > MOST_KEPT) statements.delete(statements.keys().next().value!)
    return statement
  }
}

/** A statement whose failures say what they mean. */
function prepare(database: Database.Database, sql: string): SqliteStatement {
  const statement = tell(() => database.prepare(sql))
  return {
    reader: statement.reader,
    all: (values: Values) => tell(() => statement.all(values)),
    run: (values: Values) => {
      // After a failure of the disk it was rolled back already, and to do so again would be an error of its own.
      if (sql === 'rollback' && !database.inTransaction) return { changes: 0, lastInsertRowid: 0 }
      return tell(() => statement.run(values))
    },
    iterate: (values: Values) => statement.iterate(values),
  }
}

function tell<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw sqliteProblem(error)
  }
}

/**
 * Statements that are not collected yet keep a closed connection, and with it the lock, alive. So the lock is given
 * up by hand, which needs the write-ahead log to be left first.
 */
function close(database: Database.Database): void {
  try {
    database.pragma('journal_mode = DELETE')
    database.pragma('locking_mode = NORMAL')
    database.exec('SELECT count(*) FROM sqlite_schema')
  } catch (error) {
    throw sqliteProblem(error)
  } finally {
    database.close()
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY')
}
