/** The start of a capsule: a snapshot is restored and becomes a machine of its own. */
import { join } from 'node:path'
import { Problem, isProblem, type StartedCapsule } from '@wrenn/wire'
import { AgentChannel } from '../agent/channel.js'
import { renew } from '../agent/greet.js'
import type { Context } from '../context.js'
import { makeMachineDirectory } from '../disk/directory.js'
import { removeDirectory } from '../fs/durable.js'
import { diskLayerName, names } from '../paths.js'
import { vmUser } from '../process/user.js'
import type { Snapshot } from '../snapshots/store.js'
import { Undo } from '../undo.js'
import { liveCapsule, type LiveCapsules } from './live.js'
import { writeRecord, type CapsuleRecord } from './record.js'

/** How long a restore may take, from the first file to the agent's word. */
const START_MS = 60_000
/** How long a restored guest may take until its agent answers. */
const AGENT_MS = 30_000

export interface Start {
  capsuleId: string
  template: string
  snapshot: Snapshot
}

/** Resolves when the agent has confirmed that the guest is a machine of its own. On failure nothing is left of it. */
export async function startCapsule(context: Context, live: LiveCapsules, start: Start): Promise<StartedCapsule> {
  try {
    return await restoreCapsule(context, live, start)
  } catch (error) {
    if (isProblem(error)) throw error
    throw new Problem('host_unavailable', 'The capsule could not be started.', { cause: error })
  }
}

async function restoreCapsule(
  { paths, driver, log }: Context,
  live: LiveCapsules,
  { capsuleId, template, snapshot }: Start,
): Promise<StartedCapsule> {
  const { manifest } = snapshot
  const dir = paths.capsule(capsuleId)
  await using undo = new Undo(log)
  const signal = AbortSignal.timeout(START_MS)

  undo.add('capsule directory', () => removeDirectory(dir, paths.staging))
  const machine = await makeMachineDirectory({
    dir,
    links: manifest.files.map(({ name }) => ({ name, path: join(snapshot.dir, name) })),
    sharedLayers: manifest.disk.length,
    diskSizeMb: manifest.disk_size_mb,
    uid: vmUser(capsuleId),
  })

  const vm = await driver.restore(
    {
      ...machine,
      name: capsuleId,
      vcpus: manifest.vcpus,
      memoryMb: manifest.memory_mb,
      memory: join(dir, names.memory),
      difference: manifest.difference ? join(dir, names.difference) : undefined,
      devices: join(dir, names.devices),
    },
    signal,
  )
  undo.add('vm', () => vm.stop())
  await vm.resume()

  const channel = new AgentChannel(vm)
  undo.add('agent channel', () => channel.close())
  await channel.connect(AGENT_MS)
  await renew(channel, { capsuleId, template })

  const layers = [diskLayerName(manifest.disk.length)]
  const record: CapsuleRecord = { format: 1, capsule_id: capsuleId, origin: manifest, layers, vm: vm.record }
  await writeRecord(dir, record)
  live.add(liveCapsule({ dir, vm, record }, channel))
  undo.keep()
  return { diskSizeMb: manifest.disk_size_mb }
}
