/** After our own restart: what still runs is taken up again, everything else that is ours is removed. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Expected, Reconciled } from '@wrenn/wire'
import { askHealth } from '../agent/health.js'
import type { Context } from '../context.js'
import { entries, removeDirectory } from '../fs/durable.js'
import { kill } from '../process/identity.js'
import { processesWorkingIn } from '../process/find.js'
import { liveCapsule, type LiveCapsules } from './live.js'
import { readRecord } from './record.js'

/** How long an adopted capsule's agent may take to answer. */
const ANSWER_MS = 10_000

/** Compares what is with what should be. Runs once, before anything else is done with capsules. */
export async function reconcile(context: Context, live: LiveCapsules, expected: Expected): Promise<Reconciled> {
  const { paths, log } = context
  await Promise.all(
    [paths.capsules, paths.snapshots, paths.staging].map((dir) => mkdir(dir, { recursive: true, mode: 0o755 })),
  )
  // Snapshots first: a capture that was under way shares the disk layer of a capsule that is about to run on.
  await removeOthers(context, paths.snapshots, expected.snapshotIds)

  const outcomes = await Promise.all(
    expected.capsuleIds.map(async (id) => [id, await takeUp(context, live, id)] as const),
  )
  const lost = outcomes.flatMap(([capsuleId, reason]) => (reason ? [{ capsuleId, reason }] : []))

  const kept = new Set(live.all().map(({ vm }) => vm.record.pid))
  for (const identity of await processesWorkingIn([paths.capsules, paths.snapshots, paths.staging])) {
    if (kept.has(identity.pid)) continue
    log.warn({ pid: identity.pid }, 'ending a process that belongs to no capsule')
    await kill(identity)
  }
  await context.driver.reclaim()
  await context.network.begin()
  await removeOthers(
    context,
    paths.capsules,
    live.all().map(({ id }) => id),
  )
  for (const name of await entries(paths.staging)) {
    log.warn({ name }, 'removing what was left half-made')
    await rm(join(paths.staging, name), { recursive: true, force: true })
  }
  return { running: live.all().map(({ id }) => id), lost }
}

/** Adopts a capsule; the reason when that is not possible. */
async function takeUp(
  { driver, network: networks, log, paths }: Context,
  live: LiveCapsules,
  id: string,
): Promise<string | undefined> {
  const dir = paths.capsule(id)
  const record = await readRecord(dir)
  if (!record) return 'its record is missing'
  try {
    const vm = await driver.adopt(record.vm)
    if (!vm) return 'its process ended while the server was down'
    const network = record.network && (await networks.adopt(record.network))
    // A capture may have left it held.
    await vm.resume()
    const capsule = liveCapsule({ dir, vm, record, network })
    live.add(capsule)
    await askHealth(capsule.channel, AbortSignal.timeout(ANSWER_MS)).catch((err: unknown) => {
      log.warn({ err, capsule: id }, 'an adopted capsule does not answer yet')
    })
    return undefined
  } catch (err) {
    log.error({ err, capsule: id }, 'a capsule could not be taken up again')
    return 'its process could not be reached again'
  }
}

async function removeOthers({ paths, log }: Context, folder: string, kept: string[]): Promise<void> {
  for (const name of await entries(folder)) {
    if (kept.includes(name)) continue
    log.warn({ folder, name }, 'removing what nothing refers to')
    await removeDirectory(join(folder, name), paths.staging)
  }
}
