/** The capture of a running capsule: memory, devices and disk of one instant, made durable as a snapshot. */
import { link, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isProblem, Problem, type CaptureSpec, type SnapshotInfo } from '@wrenn/wire'
import { prepare } from '../agent/greet.js'
import type { Context } from '../context.js'
import { freeze, makeLayer } from '../disk/directory.js'
import { removeDirectory } from '../fs/durable.js'
import { diskLayerName, names } from '../paths.js'
import { vmUser } from '../process/user.js'
import { ownBytes, type Manifest } from '../snapshots/manifest.js'
import { publishSnapshot, stage, type Snapshot, type StagedFile } from '../snapshots/store.js'
import { Undo } from '../undo.js'
import type { LiveCapsule } from './live.js'
import { writeRecord } from './record.js'

/** How long the agent may take to get ready. */
const PREPARE_MS = 15_000

type Capture = Pick<CaptureSpec, 'snapshotId' | 'keepSource'>

/**
 * Captures a capsule and leaves it held. When this rejects, the capsule runs on where that is possible at all, and
 * nothing is left of the snapshot.
 */
export async function captureCapsule(context: Context, capsule: LiveCapsule, spec: Capture): Promise<SnapshotInfo> {
  try {
    const { manifest } = await capture(context, capsule, spec)
    const { vcpus, memory_mb: memoryMb, versions: metadata } = manifest
    return { vcpus, memoryMb, sizeBytes: ownBytes(manifest), metadata }
  } catch (error) {
    throw captureProblem(error)
  }
}

async function capture(
  { paths, log, runTask }: Context,
  capsule: LiveCapsule,
  { snapshotId, keepSource }: Capture,
): Promise<Snapshot> {
  const { origin, layers } = capsule.record
  await using undo = new Undo(log)
  await prepare(capsule.channel, PREPARE_MS)

  await capsule.vm.pause()
  undo.add('pause', () => capsule.vm.resume())
  const staged = await stage(paths.staging, snapshotId)
  undo.add('staged snapshot', () => rm(staged, { recursive: true, force: true }))

  const { changedBytes } = await capsule.vm.capture({
    difference: join(staged, names.difference),
    devices: join(staged, names.devices),
  })
  // A capsule that lives on writes to a new layer from here on. One that does not writes no more at all, unless the
  // capture fails: then the snapshot is removed before it goes on.
  if (keepSource) await addLayer(capsule)
  for (const layer of layers) {
    await link(join(capsule.dir, layer), join(staged, layer))
    await freeze(join(staged, layer))
  }
  const snapshot = await publishSnapshot({
    staged,
    final: paths.snapshot(snapshotId),
    files: filesOf(capsule, layers),
    manifest: {
      ...origin,
      id: snapshotId,
      disk: [...origin.disk, ...layers],
      difference: true,
      changed_bytes: changedBytes,
      needs: capsule.vm.record.needs,
    },
    runTask,
  })
  undo.add('snapshot', () => removeDirectory(snapshot.dir, paths.staging))
  if (keepSource) await rebase(capsule, { ...snapshot.manifest, id: origin.id })
  undo.keep()
  return snapshot
}

/**
 * Puts a new layer over a capsule's disk. The record comes first: should we end in between, it names a layer that is
 * empty and unused, and everything else in it is true.
 */
async function addLayer(capsule: LiveCapsule): Promise<void> {
  const { origin, layers } = capsule.record
  const name = diskLayerName(origin.disk.length + layers.length)
  const path = join(capsule.dir, name)
  await makeLayer({ path, diskSizeMb: origin.disk_size_mb, uid: vmUser(capsule.id) })
  capsule.record = { ...capsule.record, layers: [...layers, name] }
  await writeRecord(capsule.dir, capsule.record)
  await capsule.vm.addDiskLayer(path)
}

/** From here on, what the snapshot froze belongs to the capsule's origin. */
async function rebase(capsule: LiveCapsule, origin: Manifest): Promise<void> {
  capsule.record = { ...capsule.record, origin, layers: capsule.record.layers.slice(-1) }
  await writeRecord(capsule.dir, capsule.record)
}

/** The files of a snapshot: what the capsule shares with its origin, and what the capture made. */
function filesOf({ dir, record: { origin } }: LiveCapsule, layers: string[]): StagedFile[] {
  const made = [names.difference, names.devices, ...layers]
  const shared = origin.files.filter(({ name }) => !made.includes(name))
  return [
    ...shared.map(({ name, sha256 }) => ({ name, from: { path: join(dir, name), sha256 }, own: false })),
    ...made.map((name) => ({ name, own: true })),
  ]
}

/** What a client is told of a failed capture. */
function captureProblem(error: unknown): Problem {
  if (isProblem(error)) return error
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new Problem('insufficient_storage', 'There is not enough disk space for this snapshot.', {
      cause: error,
      hint: 'The capsule runs on. Delete templates that you no longer need, and try again.',
    })
  }
  return new Problem('host_unavailable', 'The capsule could not be captured.', { cause: error })
}
