/** The user that a vm's process runs as. */
import { createHash } from 'node:crypto'

// systemd's list of number ranges (Users, Groups, UIDs and GIDs) leaves 1879048192 to 2147483647 unassigned but for
// its very end; ours begin at a round number in it.
const FIRST = 1_900_000_000
const COUNT = 200_000_000

/**
 * When we are root, a user of its own for each vm, that owns nothing else and is in no list of users; otherwise
 * undefined: the vm runs as we do. The number follows from the name, so nothing has to be remembered.
 */
export function vmUser(name: string): number | undefined {
  if (process.getuid?.() !== 0) return undefined
  return FIRST + (createHash('sha256').update(name).digest().readUInt32BE(0) % COUNT)
}
