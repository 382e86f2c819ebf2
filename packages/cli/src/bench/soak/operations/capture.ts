/** Operations that make templates of capsules, and that remove templates. */
import type { KnownCapsule, KnownTemplate } from '../model.js'
import { matching } from '../content.js'
import type { Job, Operation, Run } from '../run.js'

interface Capture {
  kind: string
  capsule: KnownCapsule
  template: KnownTemplate
  keepSource: boolean
}

function captureJob(run: Run, { kind, capsule, template, keepSource }: Capture): Job {
  const { model, tally } = run
  template.meant.push(capsule.content)
  const options = { name: template.name, overwrite: template.meant.length > 1, keepSource }
  return {
    capsule,
    template,
    ...(keepSource ? {} : { mayBe: ['running', 'gone'] }),
    work: async () => {
      await tally.timed(kind, () => capsule.capsule.createSnapshot(options))
      template.since = template.meant.length - 1
      if (!keepSource) return model.remove(capsule)
      await tally.timed('compare', () => matching(capsule.capsule, [capsule.content]))
    },
  }
}

function capturing(weight: number, keepSource: boolean): Operation {
  return {
    weight,
    take(run) {
      const { model, random } = run
      const capsule = model.takeCapsule(random, false)
      if (!capsule) return undefined
      const template = model.newTemplate()
      if (template) return captureJob(run, { kind: 'snapshot', capsule, template, keepSource })
      const old = model.takeTemplate(random)
      if (old) return captureJob(run, { kind: 'overwrite', capsule, template: old, keepSource })
      capsule.isBusy = false
      return undefined
    },
  }
}

export const captureLive = capturing(7, true)
export const captureAndEnd = capturing(5, false)

export const deleteTemplate: Operation = {
  weight: 3,
  take({ client, model, tally, random }) {
    const template = model.takeTemplate(random)
    if (!template) return undefined
    template.isLeaving = true
    return {
      template,
      work: async () => {
        await tally.timed('delete template', () => client.templates.delete(template.name))
        model.templates.delete(template.name)
      },
    }
  },
}
