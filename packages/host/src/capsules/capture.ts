/** The capture of a running capsule: memory, devices and disk of one instant, made a snapshot. */
import { link, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CaptureSpec, Purpose, SnapshotInfo } from '@wrenn/wire'
import type { Logger } from 'pino'
import { prepare } from '../agent/prepare.js'
import type { Context } from '../context.js'
import { freeze, makeLayer } from '../disk/directory.js'
import { removeDirectory } from '../fs/durable.js'
import { names, newName } from '../paths.js'
import { hostProblem } from '../problems.js'
import { vmUser } from '../process/user.js'
import { ownBytes, type Manifest } from '../snapshots/manifest.js'
import { publishSnapshot, stage, type Snapshot, type StagedFile } from '../snapshots/store.js'
import { Stopwatch } from '../time.js'
import { Undo } from '../undo.js'
import { allEnded } from '../wait.js'
import type { WrittenMemory } from '../vmm/types.js'
import type { LiveCapsule } from './live.js'
import { writeRecord } from './record.js'

/** How long the agent may take to get ready, without hooks. */
const PREPARE_MS = 15_000

type Capture = Omit<CaptureSpec, 'capsuleId'>

/**
 * Captures a capsule. One that is kept runs on as soon as it is captured, any other is left held. When this rejects, the
 * capsule runs on where that is possible at all, and nothing is left of the snapshot.
 */
export async function captureCapsule(context: Context, capsule: LiveCapsule, spec: Capture): Promise<SnapshotInfo> {
  const watch = new Stopwatch()
  capsule.isHeld = true
  try {
    const hooks = await prepare(capsule.channel, PREPARE_MS)
    watch.lap('prepare')
    const { manifest } = await capture(context, capsule, { ...spec, watch })
    const { vcpus, memory_mb: memoryMb, versions: metadata } = manifest
    return { vcpus, memoryMb, sizeBytes: ownBytes(manifest), metadata, hooks, timings: watch.timings }
  } catch (error) {
    capsule.isHeld = false
    throw hostProblem(error, 'The capsule could not be captured.')
  } finally {
    if (spec.keepSource) capsule.isHeld = false
  }
}

async function capture(
  { paths, log, runTask }: Context,
  capsule: LiveCapsule,
  { snapshotId, keepSource, purpose, watch }: Capture & { watch: Stopwatch },
): Promise<Snapshot> {
  const { layers } = capsule.record
  const lasting = purpose !== 'fork'
  await using undo = new Undo(log)
  const staged = await stage(paths.staging, snapshotId)
  undo.add('staged snapshot', () => rm(staged, { recursive: true, force: true }))
  // A capsule that lives on writes to a new layer from here on. One that does not writes no more at all, unless the
  // capture fails: then the snapshot is removed before it goes on.
  const diskLayer = keepSource ? await announceLayer(capsule, log) : undefined
  const difference = newName.difference()
  const memory = { into: join(staged, difference), lasting }
  const captured = await capsule.vm.capture({ goesOn: keepSource, memory, diskLayer })
  if (!keepSource) undo.add('hold', () => capsule.vm.resume())
  watch.lap('capture')
  if (keepSource) watch.timings['pause'] = captured.pauseMs

  const takeLayer = async (name: string) => {
    await link(join(capsule.dir, name), join(staged, name))
    await freeze(join(staged, name))
    return { name, sha256: lasting ? await runTask('syncAndDigest', join(staged, name)) : undefined, own: true }
  }
  // Each part is digested and goes to the disk beside the others.
  const [written, ownLayers] = await allEnded([
    captured.writeMemory(),
    allEnded(layers.map(takeLayer)),
    writeFile(join(staged, names.devices), captured.devices, { flag: 'wx', mode: 0o444 }),
  ])
  const final = paths.snapshot(snapshotId)
  // Even a publishing that fails may have moved it there.
  undo.add('snapshot', () => removeDirectory(final, paths.staging))
  const snapshot = await publishSnapshot({
    staged,
    final,
    ...contentOf(capsule, { id: snapshotId, purpose, ownLayers, difference, written }),
    lasting,
    runTask,
  })
  watch.lap('write')
  if (keepSource) await rebase(capsule, snapshot.manifest)
  undo.keep()
  return snapshot
}

/**
 * Makes the layer that is to come over a capsule's disk, and writes it into the record. The record comes first: should we
 * end in between, it names a layer that is empty and unused, and everything else in it is true.
 */
async function announceLayer(capsule: LiveCapsule, log: Logger): Promise<string> {
  const { origin, layers } = capsule.record
  const name = newName.diskLayer()
  const path = join(capsule.dir, name)
  await using undo = new Undo(log)
  undo.add('disk layer', () => rm(path, { force: true }))
  await makeLayer({ path, diskSizeMb: origin.disk_size_mb, uid: vmUser(capsule.id) })
  const record = { ...capsule.record, layers: [...layers, name] }
  await writeRecord(capsule.dir, record)
  capsule.record = record
  undo.keep()
  return path
}

/** From here on, what the snapshot froze belongs to the capsule's origin. */
async function rebase(capsule: LiveCapsule, { disk, files }: Manifest): Promise<void> {
  const { origin, layers } = capsule.record
  const shared = files.filter(({ name }) => disk.includes(name))
  const others = origin.files.filter(({ name }) => !disk.includes(name))
  capsule.record = {
    ...capsule.record,
    origin: { ...origin, disk, files: [...others, ...shared] },
    layers: layers.slice(-1),
  }
  await writeRecord(capsule.dir, capsule.record)
}

interface Content {
  id: string
  purpose: Purpose
  ownLayers: StagedFile[]
  difference: string
  written: WrittenMemory
}

/** What a snapshot consists of: what the capsule shares with its origin, and what the capture made. */
function contentOf(
  { dir, record: { origin }, vm }: LiveCapsule,
  { id, purpose, ownLayers, difference, written }: Content,
): { files: StagedFile[]; manifest: Omit<Manifest, 'format' | 'created_at' | 'files'> } {
  const {
    image,
    vcpus,
    memory_mb,
    disk_size_mb,
    versions,
    memory: { base },
  } = origin
  const disk = [...origin.disk, ...ownLayers.map(({ name }) => name)]
  const shared = origin.files.filter(({ name }) => name === base || origin.disk.includes(name))
  return {
    files: [
      ...shared.map(({ name, sha256 }) => ({ name, from: join(dir, name), sha256, own: false })),
      { name: difference, sha256: written.sha256, own: true },
      { name: names.devices, own: true },
      ...ownLayers,
    ],
    manifest: {
      ...{ id, purpose, image, vcpus, memory_mb, disk_size_mb, versions },
      memory: { base, difference, changed_bytes: written.changedBytes, packed: false },
      disk,
      devices: names.devices,
      needs: vm.record.needs,
    },
  }
}
