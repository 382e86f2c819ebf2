import { createHash, timingSafeEqual } from 'node:crypto'
import {
  includesScope,
  keyForm,
  newId,
  newKey,
  Problem,
  SHOWN_KEY_CHARACTERS,
  type CreatedKeyBody,
  type CreateKey,
  type KeyBody,
  type KeyScope,
} from '@wrenn/wire'
import type { Key, Store } from '../store/store.js'
import { now } from '../store/time.js'
import { toIso, type Clock } from './clock.js'
import type { Caller, Context } from './context.js'
import type { Begun } from './idempotency.js'
import type { Limits } from './limits.js'
import type { Holding, Presence } from './presence.js'

/** How exact "last used" is, in milliseconds: a write for every request would cost more than it tells. */
const USED_EVERY_MS = 60_000

/** A caller with what its key may do, and until when. */
export interface Holder extends Caller, Holding {
  scope: KeyScope
}

/** A request, as far as its key is concerned. */
export interface Knock {
  /** The key that was given. */
  key: string | undefined
  /** The client's address. */
  address: string
  /** What the key must be for. */
  scope: KeyScope
}

/** API keys. The store sees only their hashes. */
export class Keys {
  readonly #store: Store
  readonly #clock: Clock
  readonly #log: Context['log']

  constructor(
    { store, clock, log }: Context,
    private readonly parts: { limits: Limits; presence: Presence },
  ) {
    this.#store = store
    this.#clock = clock
    this.#log = log
  }

  /**
   * Lets a request in.
   * @throws Problem `unauthorized` for anything but a key that is known, not revoked and not expired; `rate_limited`;
   * `forbidden` when the key's scope is too small
   */
  async admit({ key, address, scope }: Knock): Promise<Holder> {
    const holder = await this.authenticate(key, address)
    await this.parts.limits.asked(holder.keyId)
    if (!includesScope(holder.scope, scope))
      throw new Problem('forbidden', `This API key has the scope "${holder.scope}"; this asks for "${scope}".`, {
        hint: `Use a key of the scope "${scope}"${scope === 'admin' ? '' : ' or more'}.`,
      })
    return holder
  }

  /** Whose key it is, whatever it is for. @throws Problem `unauthorized`, `rate_limited` */
  async authenticate(given: string | undefined, address: string): Promise<Holder> {
    if (given === undefined)
      throw new Problem('unauthorized', 'An API key is required.', { hint: 'Send it as the header X-API-Key.' })
    const key = keyForm.test(given) ? await findKey(this.#store, given) : undefined
    if (!key || key.revokedAt !== null)
      return this.refuse(address, new Problem('unauthorized', 'This API key is not valid.'))
    if (hasExpired(key, this.#clock.now()))
      return this.refuse(address, new Problem('unauthorized', 'This API key has expired.'))
    await this.#noteUse(key)
    const { id: keyId, teamId, name: keyName, scope } = key
    return { teamId, keyId, keyName, scope, expiresAt: key.expiresAt === null ? undefined : Date.parse(key.expiresAt) }
  }

  /** Refuses a wrong key or token. @throws Problem `unauthorized`; `rate_limited` when there were too many from there */
  async refuse(address: string, problem: Problem): Promise<never> {
    await this.parts.limits.failed(address)
    throw problem
  }

  /** Cuts what is under way when its key is revoked or expires. @returns what is called when it has ended by itself */
  hold(holder: Holding, cut: () => void): () => void {
    return this.parts.presence.enter(holder, cut)
  }

  /**
   * Makes a key; the answer is the only place where the key itself is ever seen.
   * @throws Problem `forbidden` for more than the caller's own key may; `invalid_request` for an end in the past
   */
  async create({ teamId, scope: own }: Holder, wanted: CreateKey, begun?: Begun): Promise<CreatedKeyBody> {
    const { name, scope } = wanted
    if (!includesScope(own, scope))
      throw new Problem('forbidden', `A key of the scope "${own}" cannot make one of the scope "${scope}".`)
    const key = newKey()
    const expiresAt = this.#endOf(wanted)
    const row = await this.#store.transaction(async (store) => {
      // Nobody was ever told the one that was made before.
      if (begun?.earlier !== undefined) await store.keys.revoke({ teamId, id: begun.earlier, at: now() })
      const row = await addKey(store, { teamId, name, key, scope, expiresAt })
      await begun?.note(store, row.id)
      return row
    })
    return { ...toBody(row), key }
  }

  async list(teamId: string): Promise<KeyBody[]> {
    return (await this.#store.keys.list(teamId)).map(toBody)
  }

  /**
   * Revokes a key for good, and cuts what is under way with it. The key that asks cannot be revoked, so that whoever
   * revokes is left with one that works.
   * @throws Problem `conflict` for the key that asks; `not_found`
   */
  async revoke({ teamId, keyId }: Caller, id: string): Promise<void> {
    if (id === keyId)
      throw new Problem('conflict', 'This is the key that the request was made with.', {
        hint: 'Revoke it with another key.',
      })
    if (!(await this.#store.keys.revoke({ teamId, id, at: now() }))) throw new Problem('not_found', 'No such key.')
    this.parts.presence.dismiss(id)
  }

  #endOf({ expires_in: seconds, expires_at: at }: CreateKey): string | null {
    if (seconds === undefined && at === undefined) return null
    const end = at === undefined ? this.#clock.now() + seconds! * 1000 : Date.parse(at)
    if (end <= this.#clock.now()) throw new Problem('invalid_request', 'expires_at: must be in the future.')
    return toIso(end)
  }

  async #noteUse({ id, lastUsedAt }: Key): Promise<void> {
    if (lastUsedAt && Math.abs(this.#clock.now() - Date.parse(lastUsedAt)) < USED_EVERY_MS) return
    // Nobody is kept out because it cannot be written down.
    await this.#store.keys
      .used(id, toIso(this.#clock.now()))
      .catch((err: unknown) => this.#log.warn({ err }, 'the use of a key could not be noted'))
  }
}

/** Whether somebody has a key of the default team that is not revoked and not expired. */
export async function hasUsableKey(store: Store): Promise<boolean> {
  const keys = await store.keys.list(store.teams.defaultId)
  return keys.some((key) => !hasExpired(key, Date.now()))
}

export interface FirstKey {
  store: Store
  /** The key to use, of the right form; otherwise one is made. */
  wanted?: string | undefined
}

/**
 * Gives a store in which no key is usable its first one.
 * @returns the new key, or undefined when there are keys already
 * @throws Problem `invalid_request` when `wanted` has the wrong form; `conflict` when it was revoked, or has expired
 */
export async function ensureFirstKey({ store, wanted }: FirstKey): Promise<string | undefined> {
  if (await hasUsableKey(store)) return undefined
  if (wanted !== undefined && !keyForm.test(wanted))
    throw new Problem('invalid_request', 'The first API key must be "wrn_" and 32 hex digits in lower case.')
  const key = wanted ?? newKey()
  if (await isKnownKey(store, key))
    throw new Problem('conflict', 'The wanted API key was revoked before, or has expired.')
  await addKey(store, { teamId: store.teams.defaultId, name: 'first', key, scope: 'admin', expiresAt: null })
  return key
}

/** Whether there is or was such a key. */
export async function isKnownKey(store: Store, key: string): Promise<boolean> {
  return (await findKey(store, key)) !== undefined
}

type NewKey = Pick<Key, 'teamId' | 'name' | 'scope' | 'expiresAt'> & { key: string }

async function addKey(store: Store, { key, ...wanted }: NewKey): Promise<Key> {
  const row: Key = {
    id: newId('key'),
    ...wanted,
    hash: hashOf(key).toString('hex'),
    prefix: key.slice(0, SHOWN_KEY_CHARACTERS),
    createdAt: now(),
    lastUsedAt: null,
    revokedAt: null,
  }
  await store.keys.insert(row)
  return row
}

/**
 * The key's row. How long the look-up takes tells something of hashes at most, which nobody can choose; and what it found is
 * compared in a time that does not depend on where they differ.
 */
async function findKey(store: Store, key: string): Promise<Key | undefined> {
  const hash = hashOf(key)
  const found = await store.keys.byHash(hash.toString('hex'))
  return found && timingSafeEqual(Buffer.from(found.hash, 'hex'), hash) ? found : undefined
}

function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}

function hasExpired({ expiresAt }: Key, at: number): boolean {
  return expiresAt !== null && Date.parse(expiresAt) <= at
}

function toBody({ id, name, prefix, scope, createdAt, expiresAt, lastUsedAt }: Key): KeyBody {
  return {
    ...{ id, name, key_prefix: prefix, scope, created_at: createdAt },
    ...(expiresAt === null ? {} : { expires_at: expiresAt }),
    ...(lastUsedAt === null ? {} : { last_used: lastUsedAt }),
  }
}
