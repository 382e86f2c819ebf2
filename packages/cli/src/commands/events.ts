import { once } from 'node:events'
import type { Command } from 'commander'
import type { WrennEvent } from 'wrenn'
import { contextOf, type World } from '../context.js'

export function addEventsCommand(program: Command, world: World): void {
  program
    .command('events')
    .description('show what happens to capsules and templates as it happens; with --json, one object a line')
    .option('--since <event-id>', 'begin behind an event that was seen before')
    .action(async ({ since }: { since?: string }, command: Command) => {
      const { client, json, signal, stdout } = contextOf(command, world)
      try {
        for await (const event of client.events({ lastEventId: since, signal })) {
          if (!stdout.write(`${json ? JSON.stringify(event) : lineOf(event)}\n`))
            await once(stdout, 'drain', { signal })
        }
      } catch (error) {
        // Ctrl-C is its usual end.
        if (!signal.aborted) throw error
      }
    })
}

function lineOf({ timestamp, event, resource, outcome, error, metadata, actor }: WrennEvent): string {
  const change = metadata?.['from'] && metadata['to'] ? `${metadata['from']} -> ${metadata['to']}` : ''
  const failure = outcome === 'error' ? `failed${error ? `: ${error}` : ''}` : ''
  return [timestamp, event.padEnd(24), resource.id, change, failure, actor.name ?? actor.id ?? '']
    .filter(Boolean)
    .join('  ')
}
