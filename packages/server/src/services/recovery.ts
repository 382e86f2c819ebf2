import type { Capsule } from '../store/store.js'
import type { Context } from './context.js'

/**
 * Makes store and hosts agree after a restart: what was under way is taken back, capsules that still run are taken up,
 * and the others are marked as lost. Runs once, before anything is served.
 */
export async function recover({ store, fleet, log }: Context): Promise<void> {
  const unsettled = await store.capsules.unsettled()
  const wereRunning = unsettled.filter(({ status }) => status === 'running')
  for (const capsule of unsettled) await takeBack({ store, fleet, log }, capsule)
  for (const version of await store.versions.pending()) {
    await store.versions.remove(version.id)
    await store.names.removeIfUnused(version.templateId)
  }
  const expected = {
    capsuleIds: wereRunning.filter(({ operation }) => operation !== 'destroy').map(({ id }) => id),
    snapshotIds: await store.versions.snapshotIds(),
  }
  for (const host of fleet.all()) {
    const { running, lost } = await host.reconcile(expected)
    for (const { capsuleId, reason } of lost) {
      log.warn({ capsule: capsuleId, reason }, 'a capsule was lost')
      await store.capsules.move(capsuleId, 'lost', { reason })
    }
    if (running.length > 0) log.info({ count: running.length }, 'took up running capsules')
  }
}

/** Ends the operation that nobody carries on any more. */
async function takeBack({ store }: Context, { id, status, operation }: Capsule): Promise<void> {
  if (status === 'starting')
    await store.capsules.move(id, 'startFailed', { reason: 'the server ended while it started' })
  else if (operation === 'destroy') await store.capsules.move(id, 'destroyed')
  else if (operation) await store.capsules.end(id, operation)
}
