import { coldBoot, saveInFull } from '@wrenn/host/bench'
import type { Figure } from '../types.js'
import { filledTemplate, startToOutput, WRITE } from '../work.js'

const TITLE = "start of a snapshot to its first command's output"

/** Against what a start would be without a snapshot. */
export const start: Figure = {
  name: 'start',
  rows: [
    { id: 'start', title: TITLE, unit: 'ms', reference: 'cold boot to the same', aim: { atMost: 0.1, of: 'ratio' } },
  ],
  open: async (lab) => {
    const template = await filledTemplate(lab)
    return {
      round: async () => [
        { row: 'start', value: await startToOutput(lab, template), reference: await coldBoot(lab.bench) },
      ],
    }
  },
}

/** Against what QEMU does of itself. Only the restore is compared, which is the smaller part of the two. */
export const restore: Figure = {
  name: 'restore',
  rows: [
    {
      id: 'start',
      title: TITLE,
      unit: 'ms',
      reference: "QEMU's own full restore to the same",
      aim: { atMost: 0.5, of: 'ratio' },
    },
    { id: 'save', title: "QEMU's own full save, durable, measured once", unit: 'ms' },
  ],
  open: async (lab) => {
    const template = await filledTemplate(lab)
    const saved = await saveInFull(lab.bench, WRITE)
    return {
      round: async () => [
        { row: 'start', value: await startToOutput(lab, template), reference: await saved.restore() },
        { row: 'save', value: saved.saveMs },
      ],
      close: () => saved.remove(),
    }
  },
}
