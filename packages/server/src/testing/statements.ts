/** The statements that a store makes, seen and stopped on their way to the database. */
import Database from 'libsql'

interface Statement {
  run(...values: unknown[]): unknown
  all(...values: unknown[]): unknown
}

/** The database that a statement is for. */
export interface Connection {
  inTransaction: boolean
  prepare(sql: string): Statement
}

/** Does a statement that writes, or something else instead. */
export type Around = (sql: string, database: Connection, work: () => unknown) => unknown

let around: Around | undefined

// For good and before a store is opened: it keeps its statements.
const prototype = Database.prototype as unknown as Connection
const { prepare } = prototype
prototype.prepare = function (this: Connection, sql) {
  const statement = prepare.call(this, sql)
  if (!/^(?:insert|update|delete|commit)/i.test(sql)) return statement
  const { run, all } = statement
  const stopped = (work: () => unknown) => (around ? around(sql, this, work) : work())
  statement.run = (...values) => stopped(() => run.apply(statement, values))
  statement.all = (...values) => stopped(() => all.apply(statement, values))
  return statement
}

/**
 * Puts `around` about every statement that writes, of every store of this process. A transaction has written when its
 * `commit` has.
 * @returns what ends it
 */
export function watchWrites(given: Around): () => void {
  around = given
  return () => void (around = undefined)
}
