import { createHash, timingSafeEqual } from 'node:crypto'
import { keyForm, newId, newKey, Problem, SHOWN_KEY_CHARACTERS, type CreatedKeyBody, type KeyBody } from '@wrenn/wire'
import type { Key, Store } from '../store/store.js'
import { now } from '../store/time.js'
import type { Caller, Context } from './context.js'
import type { Events } from './events/events.js'

/** How exact "last used" is, in milliseconds: a write for every request would cost more than it tells. */
const USED_EVERY_MS = 60_000

/** API keys. The store sees only their hashes. */
export class Keys {
  readonly #store: Store

  constructor(
    { store }: Context,
    private readonly events: Events,
  ) {
    this.#store = store
  }

  /** @throws Problem `unauthorized` for anything but a key that is known and not revoked */
  async authenticate(given: string | undefined): Promise<Caller> {
    if (given === undefined)
      throw new Problem('unauthorized', 'An API key is required.', { hint: 'Send it as the header X-API-Key.' })
    const hash = hashOf(given)
    const key = keyForm.test(given) ? await this.#store.keys.byHash(hash) : undefined
    if (!key || !isSame(key.hash, hash) || key.revokedAt)
      throw new Problem('unauthorized', 'This API key is not valid.')
    await this.#noteUse(key)
    return { teamId: key.teamId, keyId: key.id, keyName: key.name }
  }

  /** Makes a key; the answer is the only place where the key itself is ever seen. */
  async create(teamId: string, name: string): Promise<CreatedKeyBody> {
    const key = newKey()
    return { ...toBody(await addKey(this.#store, { teamId, name, key })), key }
  }

  async list(teamId: string): Promise<KeyBody[]> {
    return (await this.#store.keys.list(teamId)).map(toBody)
  }

  /**
   * Revokes a key for good. The key that asks cannot be revoked, so that whoever revokes is left with one that works.
   * @throws Problem `conflict` for the key that asks; `not_found`
   */
  async revoke({ teamId, keyId }: Caller, id: string): Promise<void> {
    if (id === keyId)
      throw new Problem('conflict', 'This is the key that the request was made with.', {
        hint: 'Revoke it with another key.',
      })
    if (!(await this.#store.keys.revoke({ teamId, id, at: now() }))) throw new Problem('not_found', 'No such key.')
    this.events.dismiss({ teamId, keyId: id })
  }

  async #noteUse({ id, lastUsedAt }: Key): Promise<void> {
    if (lastUsedAt && Date.now() - Date.parse(lastUsedAt) < USED_EVERY_MS) return
    await this.#store.keys.used(id, now())
  }
}

/**
 * Gives an empty store its first key.
 * @param wanted the key to use, of the right form; otherwise one is made
 * @returns the new key, or undefined when there are keys already
 * @throws Problem `invalid_request` when `wanted` has the wrong form; `conflict` when it was revoked before
 */
export async function ensureFirstKey({
  store,
  wanted,
}: {
  store: Store
  wanted?: string | undefined
}): Promise<string | undefined> {
  const teamId = store.teams.defaultId
  if ((await store.keys.list(teamId)).length > 0) return undefined
  if (wanted !== undefined && !keyForm.test(wanted))
    throw new Problem('invalid_request', 'The first API key must be "wrn_" and 32 hex digits in lower case.')
  const key = wanted ?? newKey()
  if (await store.keys.byHash(hashOf(key))) throw new Problem('conflict', 'The wanted API key was revoked before.')
  await addKey(store, { teamId, name: 'first', key })
  return key
}

async function addKey(
  store: Store,
  { teamId, name, key }: { teamId: string; name: string; key: string },
): Promise<Key> {
  const row = {
    id: newId('key'),
    teamId,
    name,
    hash: hashOf(key),
    prefix: key.slice(0, SHOWN_KEY_CHARACTERS),
    scope: 'admin' as const,
    createdAt: now(),
    expiresAt: null,
    lastUsedAt: null,
    revokedAt: null,
  }
  await store.keys.insert(row)
  return row
}

function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

function isSame(one: string, other: string): boolean {
  return timingSafeEqual(Buffer.from(one, 'hex'), Buffer.from(other, 'hex'))
}

function toBody({ id, name, prefix, createdAt, lastUsedAt }: Key): KeyBody {
  return { id, name, key_prefix: prefix, created_at: createdAt, ...(lastUsedAt ? { last_used: lastUsedAt } : {}) }
}
