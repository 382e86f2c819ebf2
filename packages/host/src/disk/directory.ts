/**
 * The directory that a vm lives in. It belongs to us, with `run/`, in which its process works, and so do the shared files in
 * it (hard links, read-only); the vm's user owns three files: its disk layer, its memory where it makes one, and the one that
 * takes its device state. So a process that a guest has taken over can spoil these, but can make no other file, and put
 * nothing in the place of one.
 */
import { chown, link, mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { names, newName } from '../paths.js'
import { allEnded } from '../wait.js'
import { createOverlay } from './qcow2.js'

const MiB = 1024 * 1024

export interface MachineDirectory {
  dir: string
  runDir: string
  logFile: string
  /** The paths of the disk's layers, lowest first; the vm writes the last. */
  disk: string[]
  /** The name of the layer that the vm writes. */
  top: string
  diskSizeMb: number
  uid: number | undefined
}

export interface MakeDirectory {
  /** Must not exist. */
  dir: string
  /** Where each shared file comes from. */
  links: { name: string; path: string }[]
  /** The names of the disk layers among them, lowest first. */
  disk: readonly string[]
  diskSizeMb: number
  uid: number | undefined
}

/** Makes the directory with everything that the process needs. */
export async function makeMachineDirectory({
  dir,
  links,
  disk,
  diskSizeMb,
  uid,
}: MakeDirectory): Promise<MachineDirectory> {
  const runDir = join(dir, names.run)
  const top = newName.diskLayer()
  await mkdir(dir, { mode: 0o755 })
  await mkdir(runDir, { mode: 0o711 })
  await allEnded([
    ...links.map(({ name, path }) => link(path, join(dir, name))),
    makeLayer({ path: join(dir, top), diskSizeMb, uid }),
    makeSparseFile(join(runDir, names.savedDevices), 0, uid),
  ])
  return {
    dir,
    runDir,
    logFile: join(dir, names.log),
    disk: [...disk, top].map((name) => join(dir, name)),
    top,
    diskSizeMb,
    uid,
  }
}

/** Makes an empty disk layer for the vm to write. */
export async function makeLayer({
  path,
  diskSizeMb,
  uid,
}: {
  path: string
  diskSizeMb: number
  uid: number | undefined
}): Promise<void> {
  await createOverlay(path, diskSizeMb * MiB)
  await give(path, uid)
}

/** Makes an empty file of a size, all hole, for the vm to write. */
export async function makeSparseFile(path: string, bytes: number, uid: number | undefined): Promise<void> {
  const handle = await open(path, 'wx', 0o600)
  try {
    await handle.truncate(bytes)
  } finally {
    await handle.close()
  }
  await give(path, uid)
}

/** Takes a file back from the vm's user: from now on it is ours and read-only. */
export async function freeze(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.chmod(0o444)
    if (process.getuid?.() === 0) await handle.chown(0, 0)
  } finally {
    await handle.close()
  }
}

async function give(path: string, uid: number | undefined): Promise<void> {
  if (uid !== undefined) await chown(path, uid, uid)
}
