import { createHash } from 'node:crypto'
import { newId, newKey } from '@wrenn/wire'
import type { Store } from '../store/store.js'

/** A key of another team. There is no second one of users yet; that of the platform is as foreign as any. */
export async function otherKey(store: Store): Promise<string> {
  const key = newKey()
  const hash = createHash('sha256').update(key).digest('hex')
  const times = { createdAt: new Date().toISOString(), expiresAt: null, lastUsedAt: null, revokedAt: null }
  const row = {
    id: newId('key'),
    teamId: store.teams.platformId,
    name: 'other',
    scope: 'admin' as const,
    hash,
    prefix: key.slice(0, 10),
  }
  await store.keys.insert({ ...row, ...times })
  return key
}
