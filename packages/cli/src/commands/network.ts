import type { Command } from 'commander'
import { contextOf, type World } from '../context.js'
import { addNetworkOptions, networkOf, type ReachOptions } from '../network-options.js'
import { networkInWords } from '../own-words.js'

/** What a capsule may reach. */
export function addNetworkCommand(parent: Command, world: World): void {
  const network = parent
    .command('network <id>')
    .description(
      'show what a capsule may reach, or change it: now if it runs, else from its resume on. What is not said stays as it is',
    )
  addNetworkOptions(network).action(async (id: string, options: ReachOptions, command: Command) => {
    const { client, show, signal } = contextOf(command, world)
    const capsule = await client.capsules.connect(id, { signal })
    const wanted = await networkOf(options, async () => capsule.info.network ?? { internet: false })
    if (wanted) await capsule.setNetwork(wanted, { signal })
    const { network: now } = capsule.info
    show(now ?? null, () => (now ? networkInWords(now) : 'nothing: the server gives no network'))
  })
}
