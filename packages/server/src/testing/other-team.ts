import { createHash } from 'node:crypto'
import { newId, newKey } from '@wrenn/wire'
import type { Key, Store } from '../store/store.js'

/** A key in a store, as it is wanted. Default: one of users' only team that may do everything. */
export async function keyOf(store: Store, wanted: Partial<Key> = {}): Promise<string> {
  const key = newKey()
  await store.keys.insert({
    ...{ id: newId('key'), teamId: store.teams.defaultId, name: 'made', scope: 'admin' },
    ...{ hash: createHash('sha256').update(key).digest('hex'), prefix: key.slice(0, 10) },
    ...{ createdAt: new Date().toISOString(), expiresAt: null, lastUsedAt: null, revokedAt: null },
    ...wanted,
  })
  return key
}

/** A key of another team. There is no second one of users yet; that of the platform is as foreign as any. */
export function otherKey(store: Store): Promise<string> {
  return keyOf(store, { teamId: store.teams.platformId, name: 'other' })
}
