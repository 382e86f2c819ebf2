import { TEMPLATE } from '../lab.js'
import type { Figure } from '../types.js'
import { filledTemplate, runs, timed } from '../work.js'

const MANY = 10

/** What a client waits for, one step after the other. */
export const steps: Figure = {
  name: 'steps',
  rows: [
    { id: 'create', title: `create from ${TEMPLATE}`, unit: 'ms' },
    { id: 'first', title: 'first command', unit: 'ms' },
    { id: 'later', title: 'later command', unit: 'ms' },
    { id: 'pause', title: 'pause', unit: 'ms' },
    { id: 'resume', title: 'resume', unit: 'ms' },
  ],
  open: ({ client, signal }) =>
    Promise.resolve({
      round: async () => {
        signal.throwIfAborted()
        const { ms: create, result: capsule } = await timed(() => client.capsules.create({ template: TEMPLATE }))
        const rest = [
          ['first', () => runs(capsule, 'true')],
          ['later', () => runs(capsule, 'true')],
          ['pause', () => capsule.pause()],
          ['resume', () => capsule.resume()],
        ] as const
        const samples = [{ row: 'create', value: create }]
        for (const [row, work] of rest) samples.push({ row, value: (await timed(work)).ms })
        await capsule.destroy()
        return samples
      },
    }),
}

export const together: Figure = {
  name: 'together',
  rows: [{ id: 'starts', title: `${MANY} starts of a snapshot at once`, unit: 'ms' }],
  open: async (lab) => {
    const template = await filledTemplate(lab)
    return {
      round: async () => {
        lab.signal.throwIfAborted()
        const { ms, result } = await timed(() =>
          Promise.all(Array.from({ length: MANY }, () => lab.client.capsules.create({ template }))),
        )
        await Promise.all(result.map((capsule) => capsule.destroy()))
        return [{ row: 'starts', value: ms }]
      },
    }
  },
}
