/**
 * A host whose server dies at any step of anything: what is left is as before that, or as after it, and all of it is whole.
 * So it is when a second server dies while it takes that up. With WRENN_ALL_STEPS in the environment nothing is left out.
 */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { momentsOf, type Seen } from './testing/steps/moments.js'
import { operations, type Operation } from './testing/steps/operations.js'
import { Scene } from './testing/steps/scene.js'
import { spread } from './testing/steps/spread.js'
import { assertContent, assertWhole } from './testing/steps/whole.js'

/** After how many of the moments of an operation it is done again, and how many second crashes are looked at. */
const MOST = { again: 6, second: 6 }

let scene: Scene
beforeEach(async () => void (scene = await Scene.make()))
afterEach(() => scene.end())

test.each(operations)('$what', { timeout: 120_000 }, async (operation) => {
  const subject = await scene.begin(operation.prepare)
  const [before, known] = [scene.ids, new Set<string>()]
  const { steps, moments } = await momentsOf(scene, () => operation.run(scene, subject), known)
  await scene.host.close()
  expect(steps.length, steps.join('\n')).toBeGreaterThanOrEqual(operation.steps)
  const again = new Set(spread(moments, MOST.again))
  const second: Seen['moments'] = []
  for (const one of moments) {
    scene.putBack(one.moment)
    const seen = await momentsOf(scene, () => open(operation), known)
    second.push(
      ...seen.moments.map(({ when, moment }) => ({ moment, when: `${one.when}, and ${when} of its recovery` })),
    )
    await check(one.when)
    if (again.has(one)) {
      // To what it was to be done to, where that is still there.
      await operation.run(scene, scene.ids === before ? subject : ((await operation.prepare?.(scene)) ?? ''))
      await assertWhole(scene, `${one.when}, done again`)
    }
    await scene.host.close()
  }
  for (const { when, moment } of spread(second, MOST.second)) {
    scene.putBack(moment)
    await open(operation)
    await check(when)
    await scene.host.close()
  }
})

async function open({ opening }: Operation): Promise<void> {
  await opening?.(scene)
  const { lost } = await scene.open()
  expect(lost).toEqual([])
  await scene.host.upkept()
}

async function check(when: string): Promise<void> {
  await assertWhole(scene, when)
  await assertContent(scene, when)
}
