import type { HostClient } from '@wrenn/wire'
import type { Capsule } from '../store/store.js'
import { dropClaim } from './claim.js'
import type { Context } from './context.js'

/**
 * Makes store and hosts agree after a restart: what was under way is taken back, capsules that still run are taken up,
 * and the others are marked as lost. Runs once, before anything is served.
 */
export async function recover(context: Context): Promise<void> {
  const { store, fleet, log } = context
  const unsettled = await store.capsules.unsettled()
  const wereRunning = unsettled.filter(({ status }) => status === 'running')
  for (const capsule of unsettled) await takeBack(context, capsule)
  for (const version of await store.versions.pending()) await dropClaim(store, version.id)
  const expected = {
    capsuleIds: wereRunning.filter(({ operation }) => operation !== 'destroy').map(({ id }) => id),
    snapshotIds: [...(await store.versions.snapshotIds()), ...(await store.capsules.pauses())],
  }
  for (const host of fleet.all()) {
    const { running, lost } = await host.reconcile(expected)
    for (const { capsuleId, reason } of lost) {
      log.warn({ capsule: capsuleId, reason }, 'a capsule was lost')
      await store.capsules.move(capsuleId, 'lost', { reason })
    }
    if (running.length > 0) log.info({ count: running.length }, 'took up running capsules')
    for (const capsule of wereRunning)
      if (capsule.operation === 'network' && running.includes(capsule.id)) await reachAsBefore(context, host, capsule)
  }
}

/** Whether the host was already told of the change that broke off is not known: what the row says holds. */
async function reachAsBefore({ hasNetwork, log }: Context, host: HostClient, { id, network }: Capsule): Promise<void> {
  if (!hasNetwork) return
  await host
    .setNetwork(id, network)
    .catch((err: unknown) => log.error({ err, capsule: id }, 'a change of its network could not be taken back'))
}

/**
 * Ends the operation that nobody carries on any more. A pause that was not complete was none: the capsule runs on. A
 * capsule that was to go on is still paused: what its host has started of it is not expected, and stopped.
 */
async function takeBack({ store }: Context, { id, status, operation }: Capsule): Promise<void> {
  if (status === 'starting')
    await store.capsules.move(id, 'startFailed', { reason: 'the server ended while it started' })
  else if (operation === 'destroy') await store.capsules.move(id, 'destroyed', { snapshotId: null })
  else if (operation) await store.capsules.end(id, operation)
}
