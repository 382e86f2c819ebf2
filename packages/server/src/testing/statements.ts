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

/**
 * Puts `around` about every statement that writes, of every store of this process. A transaction has written when its
 * `commit` has.
 * @returns what ends it
 */
export function watchWrites(around: Around): () => void {
  const prototype = Database.prototype as unknown as Connection
  const original = prototype.prepare
  prototype.prepare = function (this: Connection, sql) {
    const statement = original.call(this, sql)
    if (!/^(?:insert|update|delete|commit)/i.test(sql)) return statement
    const run = statement.run.bind(statement)
    const all = statement.all.bind(statement)
    statement.run = (...values) => around(sql, this, () => run(...values))
    statement.all = (...values) => around(sql, this, () => all(...values))
    return statement
  }
  return () => void (prototype.prepare = original)
}
