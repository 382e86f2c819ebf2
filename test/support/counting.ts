/** A capsule in which a program counts: whoever comes back to it sees whether it went on. */
import { expect } from 'vitest'
import type { Capsule, Wrenn } from 'wrenn'

/** Makes one. */
export async function countingCapsule(client: Wrenn): Promise<Capsule> {
  const capsule = await client.capsules.create({ template: 'minimal' })
  const counting = 'i=0; while :; do i=$((i+1)); echo $i > /dev/shm/count; sleep 0.3; done'
  await capsule.commands.start({ cmd: 'sh', args: ['-c', counting] }, { tag: 'counter' })
  return capsule
}

/** How far it is. */
export async function countOf(capsule: Capsule): Promise<number> {
  return Number((await capsule.commands.run('cat /dev/shm/count')).stdout)
}

/** It goes on, from `from` or where it is. */
export async function expectCounts(capsule: Capsule, from = 0): Promise<void> {
  const first = Math.max(from, await countOf(capsule))
  await expect.poll(() => countOf(capsule), { timeout: 10_000 }).toBeGreaterThan(first)
}
