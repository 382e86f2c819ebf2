import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { entries } from '../fs/durable.js'
import { namespacePrefix, networkOwner } from '../machine-names.js'
import { names, pathsOf } from '../paths.js'
import { ok, warning, type Outcome } from './outcome.js'

/** What of a capsule's record says which network it has; older records have none. */
const recordSchema = z.object({ network: z.object({ number: z.int() }).optional() })

export interface NetworkPlaces {
  /** Where namespaces have their names. */
  namespaces: string
  /** Where the kernel names its interfaces. */
  links: string
}

const places: NetworkPlaces = { namespaces: '/run/netns', links: '/sys/class/net' }

/** Namespaces of this data directory, and links to them, that are no capsule's. */
export async function leftNetworks(dataDir: string, { namespaces, links } = places): Promise<string[]> {
  const used = await numbersInUse(dataDir)
  const prefix = namespacePrefix(networkOwner(dataDir))
  const left = (await entries(namespaces)).filter((name) => {
    const number = name.startsWith(prefix) ? Number(name.slice(prefix.length)) : NaN
    return Number.isInteger(number) && !used.has(number)
  })
  const ends = await entries(links)
  const theirs = left.map((name) => `wrenn${name.slice(prefix.length)}`).filter((link) => ends.includes(link))
  return [...left.map((name) => `namespace ${name}`), ...theirs.map((name) => `link ${name}`)]
}

async function numbersInUse(dataDir: string): Promise<Set<number>> {
  const paths = pathsOf(dataDir)
  const ids = await entries(paths.capsules)
  const numbers = await Promise.all(
    ids.map(async (id) => {
      const text = await readFile(join(paths.capsule(id), names.record), 'utf8').catch(() => '{}')
      return recordSchema.safeParse(parsed(text)).data?.network?.number
    }),
  )
  return new Set(numbers.filter((number) => number !== undefined))
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}

/** Whether networks are left that no capsule has. Only for while no server runs, which keeps some ready. */
export async function checkNetworks(dataDir: string, where = places): Promise<Outcome> {
  const left = await leftNetworks(dataDir, where)
  if (left.length === 0) return ok('none')
  return warning(`${left.length} namespaces and links are no capsule's.`, {
    items: left,
    fix: 'The next start of the server removes them; ip netns del NAME does it now.',
  })
}
