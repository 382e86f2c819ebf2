import { Problem } from '@wrenn/wire'

/**
 * What a failure of the database's file means to clients; what is wrong with a statement stays as it is. The code tells them
 * apart: SQLite's, or an extended one that begins like it.
 */
export function sqliteProblem(cause: unknown): unknown {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const is = (...names: string[]) => names.some((name) => code === name || code.startsWith(`${name}_`))
  if (is('SQLITE_FULL'))
    return new Problem('insufficient_storage', "There is no room left for the server's database.", {
      hint: 'The disk of its data directory is full.',
      cause,
    })
  if (is('SQLITE_BUSY', 'SQLITE_LOCKED'))
    return new Problem('host_unavailable', "Another program uses the server's database.", { cause })
  if (is('SQLITE_READONLY', 'SQLITE_IOERR'))
    return new Problem('host_unavailable', 'The server cannot use its database at present.', {
      hint: 'Its file cannot be read or written. The log of the server has the details.',
      cause,
    })
  return cause
}
