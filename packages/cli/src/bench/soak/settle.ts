/** What became of things on which an operation failed: the server is asked, and has to say one of what is possible. */
import { WrennNotFoundError, type Capsule } from 'wrenn'
import { contentOf, matching } from './content.js'
import type { KnownCapsule, KnownTemplate } from './model.js'
import type { Found, Job, Run } from './run.js'
import { Wrong } from './tally.js'

/** Asks about all that a job worked on. @throws {Wrong} for what cannot have come of it */
export async function settle(run: Run, job: Job): Promise<void> {
  await run.faults.whenUp()
  if (job.template) await settleTemplate(run, job.template)
  const { capsule } = job
  if (capsule && run.model.capsules.has(capsule.capsule.id)) await settleCapsule(run, job, capsule)
}

async function settleCapsule(run: Run, { mayBe, path }: Job, known: KnownCapsule): Promise<void> {
  const expected = mayBe ?? [known.isPaused ? 'paused' : 'running']
  const found = await assertIs(run, known, expected)
  if (found !== 'running' || path === undefined) return
  const { [path]: now } = await contentOf(known.capsule)
  const { [path]: _, ...others } = known.content
  known.content = now === undefined ? others : { ...others, [path]: now }
  await matching(known.capsule, [known.content])
}

/** Takes a capsule as it is. @throws {Wrong} when it is none of what it may be; then it is gone afterwards */
export async function assertIs(run: Run, known: KnownCapsule, expected: readonly Found[]): Promise<Found> {
  const { status, reason } = await statusOf(known.capsule)
  if (expected.includes(status as Found)) {
    known.isPaused = status === 'paused'
    if (status === 'gone') run.model.remove(known)
    return status as Found
  }
  run.model.remove(known)
  await known.capsule.destroy().catch(() => {})
  const words = `${known.capsule.id} is ${status}${reason ? ` (${reason})` : ''}`
  throw new Wrong(`${words} where it should be ${expected.join(' or ')}`)
}

async function statusOf(capsule: Capsule): Promise<{ status: string; reason?: string | undefined }> {
  try {
    const { status, reason } = await capsule.refresh()
    return status === 'stopped' ? { status: 'gone' } : { status, reason }
  } catch (error) {
    if (error instanceof WrennNotFoundError) return { status: 'gone' }
    throw error
  }
}

async function settleTemplate({ client, model }: Run, template: KnownTemplate): Promise<void> {
  try {
    await client.templates.get(template.name)
  } catch (error) {
    if (!(error instanceof WrennNotFoundError)) throw error
    model.templates.delete(template.name)
    // One that was there before has to be there, unless it was to go.
    if (!template.isLeaving && template.meant.length > 1) throw new Wrong(`the template ${template.name} is lost`)
  }
  template.isLeaving = false
}
