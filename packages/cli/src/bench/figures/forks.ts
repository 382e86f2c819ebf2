import type { Capsule } from 'wrenn'
import type { Figure } from '../types.js'
import { filledCapsule, runs, timed } from '../work.js'

const MANY = 10

/** Many copies of a running capsule at once. */
export const forks: Figure = {
  name: 'forks',
  rows: [
    {
      id: 'forks',
      title: `${MANY} forks of a running capsule, all answering`,
      unit: 'ms',
      reference: 'one fork',
      aim: { atMost: 4, of: 'ratio' },
    },
  ],
  open: async (lab) => {
    const source = await filledCapsule(lab)
    return {
      round: async () => {
        lab.signal.throwIfAborted()
        const reference = await forkToAnswers(source, 1)
        return [{ row: 'forks', value: await forkToAnswers(source, MANY), reference }]
      },
    }
  },
}

async function forkToAnswers(source: Capsule, count: number): Promise<number> {
  const { ms, result } = await timed(async () => {
    const capsules = await source.fork(count)
    await Promise.all(capsules.map((capsule) => runs(capsule, 'true')))
    return capsules
  })
  await Promise.all(result.map((capsule) => capsule.destroy()))
  return ms
}
