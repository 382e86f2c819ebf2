import { changedByNewest } from '@wrenn/host/bench'
import { copyMemory, writeAndSync } from '../references.js'
import type { Figure } from '../types.js'
import { filledCapsule, timed, WRITTEN } from '../work.js'

/** A snapshot that is the end of its source: how long it takes, and what it occupies. */
export const snapshot: Figure = {
  name: 'snapshot',
  rows: [
    {
      id: 'call',
      title: 'snapshot, source destroyed, durable',
      unit: 'ms',
      reference: 'write and sync 20 MB',
      aim: { atMost: 2, of: 'ratio' },
    },
    {
      id: 'size',
      title: 'bytes on disk of a snapshot',
      unit: 'bytes',
      reference: 'bytes changed',
      aim: { atMost: 1.2, of: 'ratio' },
    },
    { id: 'size-written', title: 'bytes on disk of a snapshot', unit: 'bytes', reference: 'bytes written' },
  ],
  open: (lab) =>
    Promise.resolve({
      round: async () => {
        const source = await filledCapsule(lab)
        const { ms, result: template } = await timed(() => source.createSnapshot())
        const { memoryBytes, diskBytes } = await changedByNewest(lab.dataDir)
        await template.delete()
        const reference = await writeAndSync(lab.dataDir, WRITTEN)
        return [
          { row: 'call', value: ms, reference },
          { row: 'size', value: template.sizeBytes, reference: memoryBytes + diskBytes },
          { row: 'size-written', value: template.sizeBytes, reference: WRITTEN },
        ]
      },
    }),
}

/** A snapshot whose source runs on: for how long it does not. */
export const live: Figure = {
  name: 'live',
  rows: [
    {
      id: 'pause',
      title: 'pause of a live snapshot',
      unit: 'ms',
      reference: 'copy the changed bytes in memory',
      aim: { atMost: 20, of: 'value' },
    },
    { id: 'call', title: 'live snapshot, durable', unit: 'ms' },
  ],
  open: (lab) =>
    Promise.resolve({
      round: async () => {
        const source = await filledCapsule(lab)
        const { ms, result: template } = await timed(() => source.createSnapshot({ keepSource: true }))
        const pause = template.timings?.['pause']
        if (pause === undefined) throw new Error('the server does not tell the pause')
        const { memoryBytes } = await changedByNewest(lab.dataDir)
        await source.destroy()
        await template.delete()
        return [
          { row: 'pause', value: pause, reference: copyMemory(memoryBytes) },
          { row: 'call', value: ms },
        ]
      },
    }),
}
