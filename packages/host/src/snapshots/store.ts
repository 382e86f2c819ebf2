/** Snapshots on disk: staged, published in one step, opened. */
import { link, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Problem } from '@wrenn/wire'
import { BLOCK, isMissing, place, sync } from '../fs/durable.js'
import { names } from '../paths.js'
import { allEnded } from '../wait.js'
import type { RunTask } from '../worker/pool.js'
import { decodeManifest, encodeManifest, FORMAT, type Manifest, type SnapshotFile } from './manifest.js'

/** A snapshot in its directory. */
export interface Snapshot {
  dir: string
  manifest: Manifest
}

/** A file that a staged snapshot is to hold: made there already, or to be linked from elsewhere. */
export interface StagedFile {
  name: string
  /** Where it is linked from; absent for what was made in place. */
  from?: string
  /** Its digest, where that is known already. */
  sha256?: string | undefined
  own: boolean
}

export interface Publish {
  staged: string
  final: string
  files: StagedFile[]
  manifest: Omit<Manifest, 'format' | 'created_at' | 'files'>
  /** Whether it is to survive a power cut, and to have digests. */
  lasting: boolean
  runTask: RunTask
}

/**
 * Finishes a staged snapshot: links what it shares, digests what is its own, writes the manifest last, and moves the
 * directory to its name. When this resolves, a snapshot that is to last survives a power cut. Everything is synced at
 * once before the move, since each sync that waits for another costs the disk one more round.
 */
export async function publishSnapshot({
  staged,
  final,
  files,
  manifest,
  lasting,
  runTask,
}: Publish): Promise<Snapshot> {
  const described = await allEnded(
    files.map(async ({ name, from, sha256, own }) => {
      const path = join(staged, name)
      if (from) await link(from, path)
      return describeFile({
        path,
        name,
        own,
        sha256: sha256 ?? (lasting ? await runTask('digestFile', path) : undefined),
      })
    }),
  )
  const whole: Manifest = { format: FORMAT, created_at: new Date().toISOString(), ...manifest, files: described }
  const text = encodeManifest(whole)
  await writeFile(join(staged, names.manifest), text)
  if (lasting) {
    // What is linked from elsewhere with a digest was synced when that was taken.
    const unsynced = files.filter(({ from, sha256 }) => !from || sha256 === undefined).map(({ name }) => name)
    await allEnded([...unsynced, names.manifest, '.'].map((name) => sync(join(staged, name))))
    await place(staged, final)
  } else await rename(staged, final)
  return { dir: final, manifest: whole }
}

/** What a manifest says of a file that is there. */
export async function describeFile({
  path,
  ...known
}: Pick<SnapshotFile, 'name' | 'own'> & { path: string; sha256: string | undefined }): Promise<SnapshotFile> {
  const { size, blocks, mtimeMs } = await stat(path)
  return { ...known, bytes: size, occupied: blocks * BLOCK, mtime_ms: mtimeMs }
}

/**
 * Opens a snapshot and checks that all of it is there.
 *
 * @returns undefined when there is no such snapshot
 * @throws {Problem} `template_corrupt` when it is there, but not whole
 */
export async function openSnapshot(dir: string): Promise<Snapshot | undefined> {
  const text = await readFile(join(dir, names.manifest), 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return undefined
    throw error
  })
  return text === undefined ? undefined : { dir, manifest: parseManifest(text) }
}

function parseManifest(text: string): Manifest {
  try {
    return decodeManifest(text)
  } catch (cause) {
    throw corrupt('its manifest cannot be read', cause)
  }
}

/** The error of a snapshot that is damaged. */
export function corrupt(what: string, cause?: unknown): Problem {
  return new Problem('template_corrupt', `This template is damaged: ${what}. It is not started.`, {
    cause,
    hint: 'Take the snapshot again, or start an older version.',
  })
}

/** Makes an empty directory for a snapshot in the making. */
export async function stage(staging: string, id: string): Promise<string> {
  const dir = join(staging, id)
  await mkdir(dir, { mode: 0o755 })
  return dir
}
