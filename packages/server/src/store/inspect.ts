/** Looks into a database without changing anything in it: what a doctor asks. */
import { access } from 'node:fs/promises'
import { isProblem } from '@wrenn/wire'
import { sql, type Kysely } from 'kysely'
import { formOf, isNewest, unknownMigrations } from './migrations/index.js'
import { openSqlite } from './sqlite.js'
import type { Tables } from './tables.js'

export interface StoreFacts {
  /** What has to be on the hosts: the snapshots of versions and of pauses. */
  snapshotIds: string[]
  imageIds: string[]
  /** The capsules that run, or are being started. */
  capsuleIds: string[]
  /** How many there are, by status or state. */
  counts: { capsules: Record<string, number>; versions: Record<string, number>; templates: number; keys: number }
  /** What helps whoever looks for a fault: no keys, no variables, nothing that a user wrote but the names of templates. */
  more: {
    /** What is under way, by its kind. */
    operations: Record<string, number>
    keysByScope: Record<string, number>
    answers: number
    damagedVersions: number
    /** Capsules that ended without being asked to. */
    lost: { id: string; status: string; reason: string | null; lastUpdated: string }[]
    /** The names of templates that users gave. */
    names: string[]
    /** The last form that the database was brought to. */
    form: string
  }
}

export type StoreReport =
  | { state: 'absent' }
  /** A server uses it. */
  | { state: 'in use' }
  | { state: 'damaged'; problems: string[] }
  /** Made by another version: the next start brings an older one to the form of today, and refuses a newer one. */
  | { state: 'older' | 'newer' }
  | { state: 'sound'; facts: StoreFacts }

/** How many problems are listed at most. */
const MOST_PROBLEMS = 20
/** How many capsules that were lost are listed at most, the latest first. */
const MOST_LOST = 200

/** Looks into the database file `path`. While `use` works with what was found, no server can open it. */
export async function inspectStore<T>(path: string, use: (report: StoreReport) => Promise<T>): Promise<T> {
  const isThere = await access(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  )
  if (!isThere) return use({ state: 'absent' })
  let db: Kysely<Tables>
  try {
    db = openSqlite(path)
  } catch (error) {
    if (isProblem(error) && error.code === 'conflict') return use({ state: 'in use' })
    return use({ state: 'damaged', problems: [messageOf(error)] })
  }
  try {
    return await use(await lookInto(db))
  } finally {
    await db.destroy()
  }
}

async function lookInto(db: Kysely<Tables>): Promise<StoreReport> {
  try {
    const { rows } = await sql<{ integrityCheck: string }>`pragma integrity_check(${sql.lit(MOST_PROBLEMS)})`.execute(
      db,
    )
    const problems = rows.map(({ integrityCheck }) => integrityCheck).filter((one) => one !== 'ok')
    const dangling = await sql<{ table: string }>`pragma foreign_key_check`.execute(db)
    for (const { table } of dangling.rows.slice(0, MOST_PROBLEMS)) problems.push(`a row of ${table} refers to none`)
    if (problems.length > 0) return { state: 'damaged', problems }
    if ((await unknownMigrations(db)).length > 0) return { state: 'newer' }
    if (!(await isNewest(db))) return { state: 'older' }
    return { state: 'sound', facts: await factsOf(db) }
  } catch (error) {
    return { state: 'damaged', problems: [messageOf(error)] }
  }
}

async function factsOf(db: Kysely<Tables>): Promise<StoreFacts> {
  const versions = await db.selectFrom('versions').select(['kind', 'ref', 'state']).execute()
  const capsules = await db.selectFrom('capsules').select(['id', 'status', 'snapshotId']).execute()
  const count = async (table: 'templates' | 'keys') =>
    Number(
      (
        await db
          .selectFrom(table)
          .select(({ fn }) => fn.countAll().as('n'))
          .executeTakeFirstOrThrow()
      ).n,
    )
  return {
    snapshotIds: [
      ...versions.filter(({ kind, state }) => kind === 'snapshot' && state !== 'pending').map(({ ref }) => ref),
      ...capsules.flatMap(({ snapshotId }) => snapshotId ?? []),
    ],
    imageIds: versions.filter(({ kind }) => kind === 'image').map(({ ref }) => ref),
    capsuleIds: capsules.filter(({ status }) => ['starting', 'running'].includes(status)).map(({ id }) => id),
    counts: {
      capsules: tally(capsules.map(({ status }) => status)),
      versions: tally(versions.map(({ state }) => state)),
      templates: await count('templates'),
      keys: await count('keys'),
    },
    more: await moreOf(db),
  }
}

async function moreOf(db: Kysely<Tables>): Promise<StoreFacts['more']> {
  const operations = await db.selectFrom('capsules').select('operation').where('operation', 'is not', null).execute()
  const keys = await db.selectFrom('keys').select('scope').where('revokedAt', 'is', null).execute()
  const answers = await db
    .selectFrom('answers')
    .select(({ fn }) => fn.countAll().as('n'))
    .executeTakeFirstOrThrow()
  const damaged = await db.selectFrom('versions').select('id').where('damage', 'is not', null).execute()
  const lost = await db
    .selectFrom('capsules')
    .select(['id', 'status', 'reason', 'lastUpdated'])
    .where('status', 'in', ['error', 'missing'])
    .orderBy('lastUpdated', 'desc')
    .limit(MOST_LOST)
    .execute()
  const templates = await db.selectFrom('templates').select('name').where('platform', '=', 0).execute()
  return {
    operations: tally(operations.map(({ operation }) => String(operation))),
    keysByScope: tally(keys.map(({ scope }) => scope)),
    answers: Number(answers.n),
    damagedVersions: damaged.length,
    lost,
    names: templates.map(({ name }) => name),
    form: await formOf(db),
  }
}

function tally(words: string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1
  return counts
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
