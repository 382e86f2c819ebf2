/** Operations that make capsules. */
import { randomBytes } from 'node:crypto'
import type { Capsule } from 'wrenn'
import { TEMPLATE } from '../../lab.js'
import { matching } from '../content.js'
import { meantSince, type Content } from '../model.js'
import type { Operation, Run } from '../run.js'
import { Failed } from '../tally.js'

const MOST_FORKS = 3

/** A new capsule has what it has to; then others may work on it. */
async function admit({ model, tally, faults }: Run, capsule: Capsule, may: readonly Content[]): Promise<void> {
  const known = model.add(capsule, may[0]!)
  known.isBusy = true
  const compare = () => tally.timed('compare', () => matching(capsule, may))
  try {
    known.content = await compare().catch(async (error: unknown) => {
      if (!(error instanceof Failed)) throw error
      await faults.whenUp()
      return compare()
    })
    known.isBusy = false
  } catch (error) {
    model.remove(known)
    await capsule.destroy().catch(() => {})
    throw error
  }
}

export const create: Operation = {
  weight: 6,
  take(run) {
    const { client, model, tally } = run
    if (model.room < 1) return undefined
    return {
      free: model.reserve(1),
      work: async () => {
        const capsule = await tally.timed('create', () => client.capsules.create({ template: TEMPLATE }))
        await admit(run, capsule, [{}])
      },
    }
  },
}

export const startFromTemplate: Operation = {
  weight: 14,
  take(run) {
    const { client, model, tally, random } = run
    const template = model.room < 1 ? undefined : model.anyTemplate(random)
    if (!template) return undefined
    const { since, name } = template
    return {
      free: model.reserve(1),
      work: async () => {
        const capsule = await tally.timed(
          'start from template',
          () => client.capsules.create({ template: name }),
          (code) => code === 'not_found' && template.isLeaving,
        )
        // It may have been overwritten meanwhile.
        await admit(run, capsule, meantSince(template, since))
      },
    }
  },
}

export const fork: Operation = {
  weight: 5,
  take(run) {
    const { model, tally, random } = run
    const source = model.room < 1 ? undefined : model.takeCapsule(random, false)
    if (!source) return undefined
    const count = Math.min(model.room, 1 + random.below(MOST_FORKS))
    return {
      capsule: source,
      free: model.reserve(count),
      work: async () => {
        const made = await tally.timed('fork', () => source.capsule.fork(count))
        for (const capsule of made) await admit(run, capsule, [source.content])
        await tally.timed('compare', () => matching(source.capsule, [source.content]))
      },
    }
  },
}

/** A client that goes away while its capsule is made, and asks for it again under the same key. */
export const hangUp: Operation = {
  weight: 2,
  take(run) {
    const { client, model, tally, random } = run
    if (model.room < 1) return undefined
    const wish = { template: TEMPLATE, idempotencyKey: randomBytes(16).toString('hex') }
    const afterMs = random.below(400)
    return {
      free: model.reserve(1),
      work: async () => {
        await client.capsules.create({ ...wish, signal: AbortSignal.timeout(afterMs) }).catch(() => {})
        const capsule = await tally.timed('create after a hang-up', () => client.capsules.create(wish))
        await admit(run, capsule, [{}])
      },
    }
  },
}
