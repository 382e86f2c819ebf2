/** Operations that end capsules, for a while or for good. */
import { matching } from '../content.js'
import type { Operation } from '../run.js'

export const pause: Operation = {
  weight: 5,
  take({ model, tally, random }) {
    const known = model.takeCapsule(random, false)
    if (!known) return undefined
    return {
      capsule: known,
      mayBe: ['running', 'paused'],
      work: async () => {
        await tally.timed('pause', () => known.capsule.pause())
        known.isPaused = true
      },
    }
  },
}

export const resume: Operation = {
  weight: 10,
  take({ model, tally, random }) {
    const known = model.takeCapsule(random, true)
    if (!known) return undefined
    return {
      capsule: known,
      mayBe: ['running', 'paused'],
      work: async () => {
        await tally.timed('resume', () => known.capsule.resume())
        known.isPaused = false
        await tally.timed('compare', () => matching(known.capsule, [known.content]))
      },
    }
  },
}

export const destroy: Operation = {
  weight: 10,
  take({ model, tally, random }) {
    const known = model.takeCapsule(random, random.below(4) === 0)
    if (!known) return undefined
    return {
      capsule: known,
      mayBe: [known.isPaused ? 'paused' : 'running', 'gone'],
      work: async () => {
        await tally.timed('destroy', () => known.capsule.destroy())
        model.remove(known)
      },
    }
  },
}
