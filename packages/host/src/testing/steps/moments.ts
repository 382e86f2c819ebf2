/** What a server would leave if it died: taken right before and right after every step of its host. */
import type { Moment, Scene } from './scene.js'
import { isSync } from './steps.js'

export interface Seen {
  steps: string[]
  moments: { when: string; moment: Moment }[]
}

/**
 * Does `work` and takes pictures meanwhile. What a step has not done yet when a picture is taken never happens in it, so
 * that one run gives every crash that there is.
 *
 * @param known the moments that were seen so far: those that are alike are one
 */
export async function momentsOf(scene: Scene, work: () => Promise<unknown>, known = new Set<string>()): Promise<Seen> {
  const [steps, moments] = [[] as string[], [] as Seen['moments']]
  const look = (when: string) => {
    const { around } = scene.steps
    // What taking the picture does is no step.
    scene.steps.around = (_, work) => work()
    const moment = scene.moment()
    scene.steps.around = around
    const text = textOf(moment)
    if (known.has(text)) return
    known.add(text)
    moments.push({ when, moment })
  }
  look('at first')
  scene.steps.around = (step, work) => {
    if (isSync(step)) return work()
    steps.push(step)
    look(`before ${step}`)
    const done = work()
    const after = () => look(`after ${step}`)
    if (done instanceof Promise) return done.finally(after)
    after()
    return done
  }
  try {
    await work()
  } finally {
    scene.steps.around = (_, work) => work()
  }
  look('at last')
  return { steps, moments }
}

function textOf({ files, machines, networks, capsules, snapshots }: Moment): string {
  const known = machines.map(({ name, isPaused, layers }) => [name, isPaused, layers])
  return JSON.stringify([files.text, known, networks, [...capsules.keys()], [...snapshots.keys()]])
}
