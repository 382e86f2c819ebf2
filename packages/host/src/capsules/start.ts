/** The start of a capsule: a snapshot is restored and becomes a machine of its own. */
import { join } from 'node:path'
import type { NetworkPolicy, StartedCapsule } from '@wrenn/wire'
import { AgentChannel } from '../agent/channel.js'
import { renew } from '../agent/greet.js'
import type { Context } from '../context.js'
import { makeMachineDirectory, type MachineDirectory } from '../disk/directory.js'
import { removeDirectory } from '../fs/durable.js'
import { hostProblem } from '../problems.js'
import { vmUser } from '../process/user.js'
import type { Manifest } from '../snapshots/manifest.js'
import { corrupt, type Snapshot } from '../snapshots/store.js'
import { Stopwatch } from '../time.js'
import { Undo } from '../undo.js'
import type { RestoreSpec, Vm } from '../vmm/types.js'
import { liveCapsule, type LiveCapsules } from './live.js'
import { writeRecord, type CapsuleRecord } from './record.js'

/** How long a restore may take, from the first file to the agent's word. */
const START_MS = 60_000
/** How long a restored guest may take until its agent answers. */
const AGENT_MS = 30_000

/** Opens and checks the snapshot, and keeps others from changing its files while `use` takes links of them. */
export type WithSnapshot = <T>(use: (snapshot: Snapshot) => Promise<T>) => Promise<T>

export interface Start {
  capsuleId: string
  template: string
  /** What it may reach from its first instant on. */
  network: NetworkPolicy
  withSnapshot: WithSnapshot
}

/** Resolves when the agent has confirmed that the guest is a machine of its own. On failure nothing is left of it. */
export async function startCapsule(context: Context, live: LiveCapsules, start: Start): Promise<StartedCapsule> {
  try {
    return await restoreCapsule(context, live, start)
  } catch (error) {
    throw hostProblem(error, 'The capsule could not be started.')
  }
}

async function restoreCapsule(
  context: Context,
  live: LiveCapsules,
  { capsuleId, template, network: policy, withSnapshot }: Start,
): Promise<StartedCapsule> {
  const { paths, log, network: networks } = context
  const dir = paths.capsule(capsuleId)
  const watch = new Stopwatch()
  await using undo = new Undo(log)
  undo.add('capsule directory', () => removeDirectory(dir, paths.staging))
  const network = await networks.take()
  if (network) undo.add('network', () => networks.release(network))
  const governed = network?.setPolicy(policy)
  // Waited for below, unless something else fails before.
  governed?.catch(() => {})
  const { machine, manifest } = await withSnapshot(async (snapshot) => ({
    machine: await layOut(dir, capsuleId, snapshot),
    manifest: snapshot.manifest,
  }))
  watch.lap('files')

  const vm = await restore(context, { ...machine, ...specOf(dir, capsuleId, manifest), network: network?.vm })
  undo.add('vm', () => vm.stop())
  watch.lap('restore')
  await governed
  await vm.resume()

  const channel = new AgentChannel(vm)
  undo.add('agent channel', () => channel.close())
  await channel.connect(AGENT_MS)
  watch.lap('agent')
  const renewal = await renew(channel, { capsuleId, template })
  channel.hasResidue = false
  watch.lap('renewal')

  const record: CapsuleRecord = {
    format: 2,
    capsule_id: capsuleId,
    origin: manifest,
    layers: [machine.top],
    vm: vm.record,
    network: network?.record,
  }
  await writeRecord(dir, record)
  watch.lap('record')
  live.add(liveCapsule({ dir, vm, record, network }, channel))
  undo.keep()
  return { diskSizeMb: manifest.disk_size_mb, renewal, timings: watch.timings }
}

function layOut(dir: string, capsuleId: string, { dir: from, manifest }: Snapshot): Promise<MachineDirectory> {
  return makeMachineDirectory({
    dir,
    links: manifest.files.map(({ name }) => ({ name, path: join(from, name) })),
    disk: manifest.disk,
    diskSizeMb: manifest.disk_size_mb,
    uid: vmUser(capsuleId),
  })
}

function specOf(
  dir: string,
  name: string,
  { vcpus, memory_mb, memory: { base, difference }, devices }: Manifest,
): Omit<RestoreSpec, keyof MachineDirectory | 'network'> {
  return {
    ...{ name, vcpus, memoryMb: memory_mb },
    memory: join(dir, base),
    difference: difference === null ? undefined : join(dir, difference),
    devices: join(dir, devices),
  }
}

async function restore({ driver }: Context, spec: RestoreSpec): Promise<Vm> {
  try {
    return await driver.restore(spec, AbortSignal.timeout(START_MS))
  } catch (error) {
    if (error instanceof Error && error.name === 'DamagedError') throw corrupt(error.message, error)
    throw error
  }
}
