import { setTimeout as sleep } from 'node:timers/promises'
import { pssOf } from '@wrenn/host/bench'
import type { Capsule } from 'wrenn'
import { TEMPLATE, type Lab } from '../lab.js'
import type { Figure, Sample } from '../types.js'
import { filledTemplate } from '../work.js'

const CLONES = 20
/** How many are started at once. */
const AT_ONCE = 5
/** How long a guest may take to come to rest. */
const REST_MS = 5_000
const AIM = { atMost: 25e6, of: 'value' } as const

/** What each of many clones costs in memory that it does not share. */
export const memory: Figure = {
  name: 'memory',
  rounds: 1,
  rows: [
    { id: 'platform', title: `memory of an idle clone of ${TEMPLATE} (PSS), ${CLONES} up`, unit: 'bytes', aim: AIM },
    { id: 'snapshot', title: `memory of an idle clone of a snapshot (PSS), ${CLONES} up`, unit: 'bytes', aim: AIM },
  ],
  open: async (lab) => {
    const template = await filledTemplate(lab)
    return {
      round: async () => [
        ...(await clones(lab, { row: 'platform', template: TEMPLATE })),
        ...(await clones(lab, { row: 'snapshot', template })),
      ],
    }
  },
}

async function clones(
  { client, dataDir, signal }: Lab,
  { row, template }: { row: string; template: string },
): Promise<Sample[]> {
  const capsules: Capsule[] = []
  while (capsules.length < CLONES) {
    signal.throwIfAborted()
    const some = Array.from({ length: AT_ONCE }, () => client.capsules.create({ template }))
    capsules.push(...(await Promise.all(some)))
  }
  await sleep(REST_MS, undefined, { signal })
  const sizes = await Promise.all(capsules.map(({ id }) => pssOf(dataDir, id)))
  await Promise.all(capsules.map((capsule) => capsule.destroy()))
  return sizes.map((value) => ({ row, value }))
}
