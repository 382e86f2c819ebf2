import { TEMPLATE, type Lab } from '../lab.js'
import type { Figure, Row } from '../types.js'
import { runs, timed } from '../work.js'

const SMALLEST = 256
const LARGER = [1024, 4096]
const REFERENCE = 'the same with 256 MiB'

/** Whether a snapshot costs the same whatever the size of the memory. */
export const sizes: Figure = {
  name: 'sizes',
  rows: LARGER.map((memoryMb): Row => ({
    id: String(memoryMb),
    title: `snapshot of an idle guest, ${memoryMb / 1024} GiB`,
    unit: 'ms',
    reference: REFERENCE,
    aim: { atMost: 1.5, of: 'ratio' },
  })),
  open: async (lab) => {
    const { maxMemoryMb } = (await lab.host.facts()).limits
    const possible = LARGER.filter((memoryMb) => memoryMb <= maxMemoryMb)
    for (const memoryMb of [SMALLEST, ...possible]) {
      lab.signal.throwIfAborted()
      await lab.host.makeReady(lab.image.id, { vcpus: 1, memoryMb })
    }
    const why = `the host gives a capsule ${maxMemoryMb} MiB at most`
    const skipped = LARGER.filter((memoryMb) => memoryMb > maxMemoryMb).map((memoryMb) => [String(memoryMb), why])
    return {
      skipped: Object.fromEntries(skipped) as Record<string, string>,
      round: async () => {
        const reference = await snapshotOf(lab, SMALLEST)
        const samples = []
        for (const memoryMb of possible)
          samples.push({ row: String(memoryMb), value: await snapshotOf(lab, memoryMb), reference })
        return samples
      },
    }
  },
}

async function snapshotOf({ client, signal }: Lab, memoryMb: number): Promise<number> {
  signal.throwIfAborted()
  const capsule = await client.capsules.create({ template: TEMPLATE, memoryMb })
  await runs(capsule, 'true')
  const { ms, result: template } = await timed(() => capsule.createSnapshot())
  await template.delete()
  return ms
}
