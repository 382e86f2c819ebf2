/** The checks that write to the data directory's disk. */
import {
  checkAbilities,
  checkSpeed,
  isWritable,
  measureSpeed,
  placeOf,
  skipped,
  tryAbilities,
  type Outcome,
} from '@wrenn/host/doctor'

/** How fast it takes what is to last. */
export function checkDiskSpeed(dataDir: string): Promise<Outcome> {
  return tried(dataDir, async (place) => checkSpeed(await measureSpeed(place)))
}

/** What files can do there. */
export function checkDiskAbilities(dataDir: string): Promise<Outcome> {
  return tried(dataDir, async (place) => checkAbilities(await tryAbilities(place)))
}

async function tried(dataDir: string, check: (place: string) => Promise<Outcome>): Promise<Outcome> {
  const place = await placeOf(dataDir)
  return (await isWritable(place)) ? check(place) : skipped(`${place} is not this user's to write`)
}
