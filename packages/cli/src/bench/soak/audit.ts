/** Compares everything with the model, while nothing else is under way. */
import { matching } from './content.js'
import type { KnownCapsule } from './model.js'
import type { Run } from './run.js'
import { assertIs } from './settle.js'
import { Failed, Wrong } from './tally.js'

/** What does not agree is noted as wrong. `mayBeMore`: whether there may be capsules whose making failed; they are removed. */
export async function audit(run: Run, mayBeMore: boolean): Promise<void> {
  const { client, model, tally } = run
  for (const capsule of await client.capsules.list()) {
    if (model.capsules.has(capsule.id)) continue
    if (!mayBeMore) tally.wrong.push(`nobody made the capsule ${capsule.id}, which is ${capsule.status}`)
    await capsule.destroy()
  }
  for (const known of [...model.capsules.values()]) await noting(run, () => check(run, known))
  const names = (await client.templates.list({ type: 'snapshot' })).map(({ name }) => name)
  for (const name of model.templates.keys())
    if (!names.includes(name)) {
      tally.wrong.push(`the template ${name} is lost`)
      model.templates.delete(name)
    }
  for (const name of names)
    if (!model.templates.has(name)) {
      tally.wrong.push(`nobody made the template ${name}`)
      await client.templates.delete(name)
    }
}

async function check(run: Run, known: KnownCapsule): Promise<void> {
  const found = await assertIs(run, known, [known.isPaused ? 'paused' : 'running'])
  if (found === 'running') await run.tally.timed('compare', () => matching(known.capsule, [known.content]))
}

async function noting({ tally }: Run, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (error instanceof Failed) return
    tally.wrong.push(error instanceof Wrong ? error.message : `the soak itself: ${String(error)}`)
  }
}
