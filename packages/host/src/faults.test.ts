/**
 * A host whose disk fails, or is slow, at any call of anything: the answer says what is wrong, what runs runs on, what was
 * kept is untouched, nothing is left, and the next operation works. With WRENN_ALL_STEPS in the environment each call
 * fails in each way.
 */
import { isProblem } from '@wrenn/wire'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { operations, type Operation } from './testing/steps/operations.js'
import { Scene, type Moment } from './testing/steps/scene.js'
import { spread } from './testing/steps/spread.js'
import { assertContent, assertWhole } from './testing/steps/whole.js'

/** How many calls of an operation fail, and how many are slow. */
const MOST = { failing: 16, slow: 4 }

interface Fault {
  code: keyof typeof answers
  /** Whether later calls of the operation fail too. */
  stays: boolean
}

const answers = {
  ENOSPC: 'insufficient_storage',
  EDQUOT: 'insufficient_storage',
  EROFS: 'host_unavailable',
  EIO: 'host_unavailable',
  EMFILE: 'host_unavailable',
} as const

const faults: Fault[] = [
  { code: 'ENOSPC', stays: true },
  { code: 'EIO', stays: false },
  { code: 'EROFS', stays: true },
  { code: 'EDQUOT', stays: false },
  { code: 'EMFILE', stays: false },
]

/** What a full disk refuses; to remove something takes no space. */
const takesSpace = /^(open|handle\.write|write|mkdir|link|copyFile|rename|f?truncate|handle\.sync|f?datasync)/
/**
 * Where it fails at these, something may be left: what cannot be removed, or what has to stay since it is not known
 * whether what replaces it is on the disk.
 */
const mayLeave = /^(rm|rmdir|unlink|rename (capsules|snapshots)\S* staging|handle\.sync snapshots)/

let scene: Scene
beforeEach(async () => void (scene = await Scene.make()))
afterEach(() => scene.end())

/** What an operation is done to. */
interface Subject {
  id: string
  first: Moment
  /** What the store knows then. */
  ids: string
}

async function subjectOf({ prepare }: Operation): Promise<Subject> {
  const id = await scene.begin(prepare)
  await scene.host.close()
  return { id, first: scene.moment(), ids: scene.ids }
}

/** Opens a host on that. */
async function openOn({ first }: Subject): Promise<void> {
  scene.putBack(first)
  await scene.open()
  await scene.host.upkept()
}

/** Stands around the calls that change files from now on, counted from 0, until what it returns is called. */
function aroundCalls(
  around: (call: { step: string; index: number; isSync: boolean }, work: () => unknown) => unknown,
): () => string[] {
  const calls: string[] = []
  scene.steps.around = (step, work, isSync = false) =>
    /^(vmm|network)\./.test(step) ? work() : around({ step, isSync, index: calls.push(step) - 1 }, work)
  return () => {
    scene.steps.around = (_, work) => work()
    return calls
  }
}

async function countCalls({ run }: Operation, subject: Subject): Promise<number> {
  await openOn(subject)
  const end = aroundCalls((_, work) => work())
  await run(scene, subject.id)
  await scene.host.close()
  return end().length
}

/** Does the operation while one of its calls fails, and gives those that did, and what came of it. */
async function fail({ run }: Operation, subject: Subject, { at, fault }: { at: number; fault: Fault }) {
  const failed: string[] = []
  const isHit = (index: number, step: string) =>
    failed.length === 0 ? index === at : fault.stays && (fault.code !== 'ENOSPC' || takesSpace.test(step))
  const end = aroundCalls(({ step, index }, work) => {
    if (!isHit(index, step)) return work()
    failed.push(step)
    throw Object.assign(new Error(`${fault.code}: ${step}`), { code: fault.code })
  })
  const error: unknown = await run(scene, subject.id).then(
    () => undefined,
    (error: unknown) => error,
  )
  end()
  return { failed, error }
}

test.each(operations)('$what, while the disk fails', { timeout: 120_000 }, async (operation) => {
  const subject = await subjectOf(operation)
  const calls = Array.from({ length: await countCalls(operation, subject) }, (_, at) => at)
  const isAll = process.env['WRENN_ALL_STEPS'] !== undefined
  for (const at of spread(calls, MOST.failing)) {
    for (const fault of isAll ? faults : [faults[at % faults.length]!]) {
      await openOn(subject)
      const { failed, error } = await fail(operation, subject, { at, fault })
      const when = `${fault.code} at ${failed[0]}${fault.stays ? ' and later' : ''}: ${String(error)}`
      if (error !== undefined) {
        expect(isProblem(error), when).toBe(true)
        const code = operation.refusal ?? answers[fault.code]
        expect(error, when).toMatchObject({ code, hint: expect.any(String) })
      }
      // What is left is named in the log or in the answer, and gone after the next start.
      const isNamed = error !== undefined || scene.lines.length > 0
      if (!(isNamed && failed.some((step) => mayLeave.test(step)))) await assertWhole(scene, when)
      await again(operation, subject)
      await scene.reopen()
      await scene.host.upkept()
      await assertWhole(scene, `${when}; after the next start`)
      await assertContent(scene, when)
      await scene.host.close()
    }
  }
})

/** To what it was to be done to, where that is still there. */
async function again({ run, prepare }: Operation, { id, ids }: Subject): Promise<void> {
  await run(scene, scene.ids === ids ? id : ((await prepare?.(scene)) ?? ''))
}

const beside = operations.filter(({ opens }) => !opens)

test.each(beside)('$what, while the disk is slow: others go on', { timeout: 120_000 }, async (operation) => {
  const subject = await subjectOf(operation)
  const calls = Array.from({ length: await countCalls(operation, subject) }, (_, at) => at)
  const [bystander = ''] = subject.first.capsules.keys()
  for (const at of spread(calls, MOST.slow)) {
    await openOn(subject)
    let isHeld = false
    let go!: () => void
    const gate = new Promise<void>((resolve) => (go = resolve))
    let isSlow!: () => void
    const slow = new Promise<void>((resolve) => (isSlow = resolve))
    const end = aroundCalls(({ index, isSync }, work) => {
      if (index < at || isHeld || isSync) return work()
      isHeld = true
      isSlow()
      return gate.then(work)
    })
    const done = operation.run(scene, subject.id)
    await Promise.race([slow, done])
    end()
    const another = await scene.start()
    const snapshotId = await scene.capture(bystander)
    await Promise.all([scene.host.destroy(another), scene.host.deleteSnapshot(snapshotId)])
    go()
    await done
    await scene.host.upkept()
    await assertWhole(scene, `call ${at} was slow`)
    await scene.host.close()
  }
})
