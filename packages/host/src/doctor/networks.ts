import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { entries } from '../fs/durable.js'
import { namespacePrefix, networkOwner } from '../machine-names.js'
import { removeSlots } from '../network/slot.js'
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
  const left = await leftNumbers(dataDir, namespaces)
  const prefix = namespacePrefix(networkOwner(dataDir))
  const ends = await entries(links)
  const theirs = left.map((number) => `wrenn${number}`).filter((link) => ends.includes(link))
  return [...left.map((number) => `namespace ${prefix}${number}`), ...theirs.map((name) => `link ${name}`)]
}

/** The numbers of this data directory's networks that are no capsule's. */
async function leftNumbers(dataDir: string, namespaces: string): Promise<number[]> {
  const used = await numbersInUse(dataDir)
  const prefix = namespacePrefix(networkOwner(dataDir))
  const numbers = (await entries(namespaces)).map((name) =>
    name.startsWith(prefix) ? Number(name.slice(prefix.length)) : NaN,
  )
  return numbers.filter((number) => Number.isInteger(number) && !used.has(number))
}

/** Removes networks that are no capsule's. Only for while no server runs. @returns what was there */
export async function removeLeftNetworks(dataDir: string): Promise<string[]> {
  const left = await leftNetworks(dataDir)
  await removeSlots(networkOwner(dataDir), await leftNumbers(dataDir, places.namespaces))
  return left
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
    fix: 'wrenn doctor --fix removes them; so does the next start of the server.',
  })
}
