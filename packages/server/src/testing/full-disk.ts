/** A disk that is full for the writes of a store: for one of them, or from one on. */
import { watchWrites, type Connection } from './statements.js'

export class FullDisk {
  /** How many writes there were since `begin`. */
  writes = 0
  #fails: (write: number) => boolean = () => false
  readonly #end = watchWrites((sql, database, work) => this.#write(sql, database, work))

  /** From now on writes are counted, from 1 on, and those that `fails` says fail. */
  begin(fails: (write: number) => boolean = () => false): void {
    this.writes = 0
    this.#fails = fails
  }

  /** There is room again. */
  clear(): void {
    this.#fails = () => false
  }

  end(): void {
    this.#end()
  }

  #write(sql: string, database: Connection, work: () => unknown): unknown {
    // A commit of what was only read writes nothing; the others are of a transaction that has written, and need room too.
    if (!this.#fails(++this.writes)) return work()
    // As SQLite does it.
    if (database.inTransaction) database.prepare('rollback').run()
    throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' })
  }
}
