/** After our own restart: what still runs is taken up again, everything else that is ours is removed. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Expected, Reconciled } from '@wrenn/wire'
import { askHealth } from '../agent/health.js'
import type { Context } from '../context.js'
import { entries, isMissing, removeDirectory } from '../fs/durable.js'
import { kill } from '../process/identity.js'
import { processesWorkingIn } from '../process/find.js'
import { Undo } from '../undo.js'
import { liveCapsule, type LiveCapsules } from './live.js'
import { readRecord, type CapsuleRecord } from './record.js'
import { tidyCapsule } from './tidy.js'

/** How long an adopted capsule's agent may take to answer. */
const ANSWER_MS = 10_000

/** Compares what is with what should be. Runs once, before anything else is done with capsules. */
export async function reconcile(context: Context, live: LiveCapsules, expected: Expected): Promise<Reconciled> {
  const { paths, log } = context
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
    await rm(join(paths.staging, name), { recursive: true, force: true }).catch(later(context, name))
  }
  return { running: live.all().map(({ id }) => id), lost }
}

/** Takes a capsule up again; the reason when that is not possible. */
async function takeUp(context: Context, live: LiveCapsules, id: string): Promise<string | undefined> {
  const { log, paths } = context
  const lost = (reason: string) => (err: unknown) => {
    log.error({ err, capsule: id }, 'a capsule could not be taken up again')
    return reason
  }
  const record = await readRecord(paths.capsule(id)).catch(lost('its record cannot be read'))
  if (record === undefined) return 'its record is missing'
  if (typeof record === 'string') return record
  return adopt(context, live, record).catch((err: unknown) =>
    lost(isMissing(err) ? 'its process runs, but its socket is gone' : 'its process could not be reached again')(err),
  )
}

async function adopt(context: Context, live: LiveCapsules, record: CapsuleRecord): Promise<string | undefined> {
  const { driver, network: networks, log, paths } = context
  const { capsule_id: id } = record
  const dir = paths.capsule(id)
  await using undo = new Undo(log)
  const vm = await driver.adopt(record.vm)
  if ('lost' in vm) return vm.lost
  undo.add('vm', () => vm.stop())
  const network = record.network && (await networks.adopt(record.network))
  if (network) undo.add('network', () => networks.release(network))
  // A capture may have left it held.
  await vm.resume()
  const capsule = liveCapsule({ dir, vm, record, network })
  live.add(capsule)
  undo.keep()
  await askHealth(capsule.channel, AbortSignal.timeout(ANSWER_MS)).catch((err: unknown) => {
    log.warn({ err, capsule: id }, 'an adopted capsule does not answer yet')
  })
  await tidyCapsule(dir, record).then(
    (left) => left.length > 0 && log.warn({ capsule: id, left }, 'removed what was left half-made'),
    (err: unknown) => log.error({ err, capsule: id }, 'what was left half-made could not be removed'),
  )
  return undefined
}

async function removeOthers({ paths, log }: Context, folder: string, kept: string[]): Promise<void> {
  for (const name of await entries(folder)) {
    if (kept.includes(name)) continue
    log.warn({ folder, name }, 'removing what nothing refers to')
    await removeDirectory(join(folder, name), paths.staging).catch(later({ log }, name))
  }
}

/** What runs is taken up all the same, and the next start tries again. */
function later({ log }: Pick<Context, 'log'>, name: string): (err: unknown) => void {
  return (err) => log.error({ err, name }, 'it could not be removed')
}
