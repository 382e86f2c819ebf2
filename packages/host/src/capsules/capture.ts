/** The capture of a running capsule: memory, devices and disk of one instant, made durable as a snapshot. */
import { link, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isProblem, Problem, type SnapshotInfo } from '@wrenn/wire'
import { prepare } from '../agent/greet.js'
import type { Context } from '../context.js'
import { freeze } from '../disk/directory.js'
import { removeDirectory } from '../fs/durable.js'
import { diskLayerName, names } from '../paths.js'
import { ownBytes, type Manifest } from '../snapshots/manifest.js'
import { publishSnapshot, stage, type Snapshot, type StagedFile } from '../snapshots/store.js'
import { Undo } from '../undo.js'
import type { LiveCapsule } from './live.js'

/** How long the agent may take to get ready. */
const PREPARE_MS = 15_000

/**
 * Captures a capsule and leaves it held. When this rejects, the capsule runs on where that is possible at all, and
 * nothing is left of the snapshot.
 */
export async function captureCapsule(context: Context, capsule: LiveCapsule, snapshotId: string): Promise<SnapshotInfo> {
  try {
    const { manifest } = await capture(context, capsule, snapshotId)
    return {
      vcpus: manifest.vcpus,
      memoryMb: manifest.memory_mb,
      sizeBytes: ownBytes(manifest),
      metadata: manifest.versions,
    }
  } catch (error) {
    throw captureProblem(error)
  }
}

async function capture({ paths, log, runTask }: Context, capsule: LiveCapsule, snapshotId: string): Promise<Snapshot> {
  const { origin } = capsule.record
  await using undo = new Undo(log)
  await prepare(capsule.channel, PREPARE_MS)

  const staged = await stage(paths.staging, snapshotId)
  undo.add('staged snapshot', () => rm(staged, { recursive: true, force: true }))
  await capsule.vm.pause()
  undo.add('pause', () => capsule.vm.resume())

  const { changedBytes } = await capsule.vm.capture({
    difference: join(staged, names.difference),
    devices: join(staged, names.devices),
  })
  // The capsule writes its top layer no more, unless the capture fails: then the snapshot is removed before it goes on.
  const top = diskLayerName(origin.disk.length)
  await link(join(capsule.dir, top), join(staged, top))
  await freeze(join(staged, top))

  const manifest: Omit<Manifest, 'format' | 'created_at' | 'files'> = {
    ...origin,
    id: snapshotId,
    disk: [...origin.disk, top],
    difference: true,
    changed_bytes: changedBytes,
    needs: capsule.vm.record.needs,
  }
  const final = paths.snapshot(snapshotId)
  const snapshot = await publishSnapshot({ staged, final, files: filesOf(capsule, top), manifest, runTask })
  undo.add('snapshot', () => removeDirectory(final, paths.staging))
  undo.keep()
  return snapshot
}

/** The files of a snapshot: what the capsule shares with its origin, and what the capture made. */
function filesOf({ dir, record: { origin } }: LiveCapsule, top: string): StagedFile[] {
  const made = [names.difference, names.devices, top]
  const shared = origin.files.filter(({ name }) => !made.includes(name as never))
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
