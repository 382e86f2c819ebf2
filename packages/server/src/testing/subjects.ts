/** What operations are done to, in tests that do all of them. */
import type { Ask } from './ask.js'

/** A capsule with a note. */
export async function subject(ask: Ask, more: object = {}): Promise<string> {
  const id = await ask.capsule({ metadata: { is: 'the subject' }, ...more })
  ask.note(id, 'subject')
  return id
}

/** The same, paused. */
export async function paused(ask: Ask): Promise<string> {
  const id = await subject(ask)
  await ask.pause(id)
  return id
}
