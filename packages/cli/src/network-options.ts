/** What a capsule may reach, on the command line. */
import { CommanderError, type Command } from 'commander'
import type { NetworkOptions } from 'wrenn'
import { another } from './arguments.js'

export interface ReachOptions {
  internet?: boolean
  /** False: none any more. */
  allow?: string[] | false
  deny?: string[] | false
}

/** Adds the options to a command that makes capsules, or changes one. */
export function addNetworkOptions(command: Command): Command {
  return command
    .option('--internet', 'it may reach whatever is not denied')
    .option('--no-internet', 'it may reach nothing but what is allowed')
    .option('--allow <dest>', 'it may reach this: an IPv4 address, a range, or a domain; may be repeated', another)
    .option('--no-allow', 'nothing is allowed that was before')
    .option('--deny <dest>', 'it may not reach this, whatever else is said; may be repeated', another)
    .option('--no-deny', 'nothing is denied that was before')
}

/**
 * The network that the options ask for; undefined where they say nothing of it.
 * @param before what is not said stays as it is there; asked for only when something is said
 */
export async function networkOf(
  { internet, allow, deny }: ReachOptions,
  before: () => Promise<NetworkOptions>,
): Promise<NetworkOptions | undefined> {
  if (internet === undefined && allow === undefined && deny === undefined) return undefined
  const known = await before()
  const network = {
    ...known,
    ...(internet === undefined ? {} : { internet }),
    ...(allow === undefined ? {} : { allow: allow || [] }),
    ...(deny === undefined ? {} : { deny: deny || [] }),
  }
  // It would have no effect, and whoever says it may think that all else is closed.
  if (allow && network.internet !== false)
    throw new CommanderError(2, 'wrenn.network', '--allow opens nothing where the internet is open: add --no-internet.')
  return network
}
