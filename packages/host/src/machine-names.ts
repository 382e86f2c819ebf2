/**
 * The names of what a host makes outside of its data directory. Each has a part that follows from the path of that directory, which
 * tells it from those of other hosts on the same machine.
 */
import { createHash } from 'node:crypto'

const OWNER_DIGITS = 8
const FOLDER_DIGITS = 12

const digest = (dataDir: string, digits: number) => createHash('sha256').update(dataDir).digest('hex').slice(0, digits)

/** What names a host's networks: namespaces are `wrenn-<owner>-<number>`. */
export function networkOwner(dataDir: string): string {
  return digest(dataDir, OWNER_DIGITS)
}

/** What the names of a host's network namespaces begin with; a number follows. */
export function namespacePrefix(owner: string): string {
  return `wrenn-${owner}-`
}

/** The folder for a host's control groups, in each hierarchy. */
export function groupFolder(dataDir: string): string {
  return `wrenn-${digest(dataDir, FOLDER_DIGITS)}`
}

/** What the names of the control groups of what works in a directory begin with. */
export function groupPrefix(directoryName: string): string {
  return `${directoryName}.`
}

/**
 * The port at which a host's resolver is each time it runs, where nobody else is: from 20000 on, below those that are
 * given out.
 */
export function resolverPort(owner: string): number {
  return 20_000 + (parseInt(owner, 16) % 10_000)
}
