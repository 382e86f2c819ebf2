import { access, stat } from 'node:fs/promises'
import { ask } from './ask.js'
import { failure, ok, warning, type Outcome } from './outcome.js'

/** How far ahead files may be, in milliseconds: that of a network file system's server goes a little otherwise. */
const SLACK_MS = 60_000
/** There when systemd has set the clock by the network since the boot. */
const SYNCED = '/run/systemd/timesync/synchronized'

export interface ClockFacts {
  /** In milliseconds since 1970. */
  now: number
  /** When the newest of what is certainly older was written, in milliseconds since 1970. */
  newest: number
  /** Whether the clock is set by the network; undefined when nobody says. */
  isSynced: boolean | undefined
}

/** Whether the clock can be right: keys, tokens and what expires go by it. */
export function checkClock({ now, newest, isSynced }: ClockFacts): Outcome {
  const shown = new Date(now).toISOString()
  const fix = 'Let the clock be set by the network: timedatectl set-ntp true, or chrony.'
  if (now + SLACK_MS < newest)
    return failure(`It is ${shown} here, and there are files of ${new Date(newest).toISOString()}.`, { fix })
  if (isSynced === false) return warning(`It is ${shown} here, and nothing sets the clock by the network.`, { fix })
  return ok(isSynced ? `${shown}, set by the network` : `${shown}; whether it is set by the network, nobody says`)
}

/** Looks at the clock and at the times of files that are there. */
export async function clockFacts(files: readonly string[]): Promise<ClockFacts> {
  const times = await Promise.all(
    files.map((file) =>
      stat(file).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  )
  return { now: Date.now(), newest: Math.max(0, ...times), isSynced: await isSynced() }
}

async function isSynced(): Promise<boolean | undefined> {
  const isMarked = await access(SYNCED).then(
    () => true,
    () => false,
  )
  if (isMarked) return true
  const [said] = await ask('timedatectl', 'show', '--property=NTPSynchronized', '--value').catch(() => [])
  return said === 'yes' ? true : said === 'no' ? false : undefined
}
