/** Snapshots on disk: staged, published in one step, opened, removed. */
import { link, mkdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Problem } from '@wrenn/wire'
import { isMissing, publish, writeSynced } from '../fs/durable.js'
import { names } from '../paths.js'
import type { RunTask } from '../worker/pool.js'
import { manifestSchema, type Manifest, type SnapshotFile } from './manifest.js'

/** The unit in which stat tells what a file occupies. */
const BLOCK = 512

/** A snapshot in its directory. */
export interface Snapshot {
  dir: string
  manifest: Manifest
}

/** A file that a staged snapshot is to hold: made there already, or to be linked from elsewhere. */
export interface StagedFile {
  name: string
  /** Where it is linked from, with the digest that is known of it; absent for what was made in place. */
  from?: { path: string; sha256?: string | undefined }
  own: boolean
}

export interface Publish {
  staged: string
  final: string
  files: StagedFile[]
  manifest: Omit<Manifest, 'format' | 'created_at' | 'files'>
  runTask: RunTask
}

/**
 * Finishes a staged snapshot: links what it shares, syncs and digests what is its own, writes the manifest last, and
 * moves the directory to its name. When this resolves, the snapshot survives a power cut.
 */
export async function publishSnapshot({ staged, final, files, manifest, runTask }: Publish): Promise<Snapshot> {
  const finished: SnapshotFile[] = []
  for (const { name, from, own } of files) {
    const path = join(staged, name)
    if (from) await link(from.path, path)
    const sha256 = from?.sha256 ?? (await runTask('syncAndDigest', path))
    const { size, blocks } = await stat(path)
    finished.push({ name, bytes: size, occupied: blocks * BLOCK, sha256, own })
  }
  const whole: Manifest = { format: 1, created_at: new Date().toISOString(), ...manifest, files: finished }
  await writeSynced(join(staged, names.manifest), JSON.stringify(whole, null, 2))
  await publish(staged, final)
  return { dir: final, manifest: whole }
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
  if (text === undefined) return undefined
  const manifest = parseManifest(text)
  await Promise.all(
    manifest.files.map(async ({ name, bytes }) => {
      const found = await stat(join(dir, name)).catch(() => undefined)
      if (!found?.isFile()) throw corrupt(`its file ${name} is missing`)
      if (found.size !== bytes) throw corrupt(`its file ${name} has ${found.size} bytes instead of ${bytes}`)
    }),
  )
  return { dir, manifest }
}

function parseManifest(text: string): Manifest {
  try {
    return manifestSchema.parse(JSON.parse(text))
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
