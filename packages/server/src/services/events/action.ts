/** What somebody does, and who. */
import type { EventBody, EventKind } from '@wrenn/wire'
import type { Capsule, Labels } from '../../store/store.js'
import type { Caller } from '../context.js'
import type { Event } from './feed.js'

export type Actor = EventBody['actor']

export const system: Actor = { type: 'system' }

/** Something that is being done, and that events tell of. */
export interface Action {
  kind: EventKind
  teamId: string
  actor: Actor
  resource: EventBody['resource']
  /** The capsule that it is done to. */
  capsuleId: string
  metadata?: Labels
}

export function actorOf({ keyId, keyName }: Caller): Actor {
  return { type: 'api_key', id: keyId, ...(keyName === undefined ? {} : { name: keyName }) }
}

/** Who does something, and what more there is to say of it. */
export interface By {
  actor: Actor
  metadata?: Labels
}

export function onCapsule(kind: EventKind, { id, teamId }: Pick<Capsule, 'id' | 'teamId'>, by: By): Action {
  return { kind, teamId, capsuleId: id, resource: { id, type: 'capsule' }, ...by }
}

export function onTemplate(name: string): EventBody['resource'] {
  return { id: name, type: 'template' }
}

/** A name that means nothing any more. */
export function templateDeleted(name: string, { actor, metadata }: By): Event {
  return {
    event: 'template.snapshot.delete',
    outcome: 'success',
    resource: onTemplate(name),
    actor,
    ...(metadata ? { metadata } : {}),
  }
}
