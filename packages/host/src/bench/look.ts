/** What only the host's own files and processes say. */
import { readFile } from 'node:fs/promises'
import { readRecord } from '../capsules/record.js'
import { entries } from '../fs/durable.js'
import { pathsOf } from '../paths.js'
import { openSnapshot } from '../snapshots/store.js'

export interface Changed {
  /** Bytes of the pages that differ from the image's memory. */
  memoryBytes: number
  /** Bytes that the snapshot's own disk layers occupy. */
  diskBytes: number
}

/** What the newest snapshot found to be changed. */
export async function changedByNewest(dataDir: string): Promise<Changed> {
  const paths = pathsOf(dataDir)
  const opened = await Promise.all((await entries(paths.snapshots)).map((id) => openSnapshot(paths.snapshot(id))))
  const [newest] = opened
    .flatMap((snapshot) => (snapshot ? [snapshot.manifest] : []))
    .sort((a, b) => b.created_at.localeCompare(a.created_at))
  if (!newest) throw new Error('there is no snapshot')
  const layers = newest.files.filter(({ name, own }) => own && newest.disk.includes(name))
  return {
    memoryBytes: newest.memory.changed_bytes,
    diskBytes: layers.reduce((sum, { occupied }) => sum + occupied, 0),
  }
}

/** A capsule's proportional set size: its own memory, and its share of what it shares, in bytes. */
export async function pssOf(dataDir: string, capsuleId: string): Promise<number> {
  const record = await readRecord(pathsOf(dataDir).capsule(capsuleId))
  if (!record) throw new Error(`capsule ${capsuleId} has no process`)
  const text = await readFile(`/proc/${record.vm.pid}/smaps_rollup`, 'utf8')
  const kib = /^Pss:\s+(\d+) kB$/m.exec(text)?.[1]
  if (kib === undefined) throw new Error('the kernel does not tell the memory of a process')
  return Number(kib) * 1024
}
