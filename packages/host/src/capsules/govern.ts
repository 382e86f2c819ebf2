/** What a running capsule may reach, changed. */
import { Problem, type NetworkPolicy } from '@wrenn/wire'
import type { LiveCapsule } from './live.js'
import { writeRecord } from './record.js'

/**
 * Changes what a capsule may reach, at once.
 *
 * @throws {Problem} `host_unavailable` where it has no network, unless it is to reach nothing anyway
 */
export async function governCapsule({ network }: LiveCapsule, policy: NetworkPolicy): Promise<void> {
  if (network) return network.setPolicy(policy)
  if (!policy.internet && policy.allow.length === 0) return
  throw new Problem('host_unavailable', 'This capsule has no network.', {
    hint: 'The server says at its start whether it gives networks, and why not.',
  })
}

/** Writes into a capsule's record what it may reach now. Nobody else may be writing it. */
export async function noteNetwork(capsule: LiveCapsule): Promise<void> {
  if (!capsule.network) return
  capsule.record = { ...capsule.record, network: capsule.network.record }
  await writeRecord(capsule.dir, capsule.record)
}
