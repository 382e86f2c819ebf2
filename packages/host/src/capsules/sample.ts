/** What running capsules use, seen from outside. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { CapsuleSample } from '@wrenn/wire'
import type { Logger } from 'pino'
import { BLOCK } from '../fs/durable.js'
import type { LiveCapsule } from './live.js'

/** Bytes that the capsule's own disk layers occupy. */
export async function diskBytesOf({ dir, record }: LiveCapsule): Promise<number> {
  const layers = await Promise.all(record.layers.map((name) => stat(join(dir, name))))
  return layers.reduce((sum, { blocks }) => sum + blocks * BLOCK, 0)
}

/** Samples all; one that ends meanwhile, or cannot be read, is left out. */
export async function sample(capsules: LiveCapsule[], log: Logger): Promise<CapsuleSample[]> {
  const samples = await Promise.all(
    capsules.map(async (capsule) => {
      try {
        const [usage, diskBytes] = await Promise.all([capsule.vm.usage(), diskBytesOf(capsule)])
        return [{ capsuleId: capsule.id, ...usage, diskBytes }]
      } catch (err) {
        log.debug({ err, capsule: capsule.id }, 'a capsule could not be sampled')
        return []
      }
    }),
  )
  return samples.flat()
}
