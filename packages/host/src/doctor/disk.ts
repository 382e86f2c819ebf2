import { statfs } from 'node:fs/promises'
import { failure, ok, warning, type Outcome } from './outcome.js'

const GiB = 1024 ** 3
const LOW = 10 * GiB
const TOO_LOW = 2 * GiB

export interface DiskFacts {
  /** The file system's number, as statfs says. */
  type: number
  freeBytes: number
  freeFiles: number
}

/** Looks at the file system that a path is on. */
export async function diskFacts(path: string): Promise<DiskFacts> {
  const { type, bavail, bsize, ffree, files } = await statfs(path)
  // Some file systems make room for files as they are needed, and count none.
  return { type, freeBytes: bavail * bsize, freeFiles: files === 0 ? Infinity : ffree }
}

/** Whether there is room for templates and capsules. */
export function checkRoom({ freeBytes, freeFiles }: Pick<DiskFacts, 'freeBytes' | 'freeFiles'>): Outcome {
  const shown = `${(freeBytes / GiB).toFixed(1)} GiB are free`
  const fix =
    'Remove templates that nobody needs (wrenn prune), or move the data directory to a larger disk (WRENN_DATA_DIR).'
  if (freeBytes < TOO_LOW) return failure(`Only ${shown}.`, { fix })
  if (freeFiles < 1000) return failure('The file system has no room for more files.', { fix })
  return freeBytes < LOW ? warning(`Only ${shown}.`, { fix }) : ok(shown)
}

interface Kind {
  name: string
  problem?: string
}

/** By the numbers of statfs (linux/magic.h). */
const kinds: Readonly<Record<number, Kind>> = {
  0xef53: { name: 'ext4' },
  0x58465342: { name: 'xfs' },
  0x9123683e: { name: 'btrfs' },
  0x2fc12fc1: { name: 'zfs' },
  0xf2f52010: { name: 'f2fs' },
  0x01021994: { name: 'tmpfs', problem: 'is memory, and is gone after a restart of the machine' },
  0x858458f6: { name: 'ramfs', problem: 'is memory, and is gone after a restart of the machine' },
  0x794c7630: { name: 'overlayfs', problem: 'is the layer of a container, and goes with it' },
  0x6969: { name: 'NFS', problem: 'is on the network' },
  0xff534d42: { name: 'CIFS', problem: 'is on the network' },
  0xfe534d42: { name: 'SMB', problem: 'is on the network' },
  0x01021997: { name: '9p', problem: "is another machine's" },
  0x65735546: { name: 'FUSE', problem: "is a program's, and may keep less than it says" },
  0x00c36400: { name: 'Ceph', problem: 'is on the network' },
}

/** Whether what is written there is fast and stays. */
export function checkFileSystem({ type }: Pick<DiskFacts, 'type'>): Outcome {
  const { name, problem } = kinds[type >>> 0] ?? { name: `0x${(type >>> 0).toString(16)}` }
  if (!problem) return ok(name)
  return warning(`The data directory's file system, ${name}, ${problem}.`, {
    fix: 'Put the data directory on a local disk (ext4, xfs): set WRENN_DATA_DIR, or mount a volume there.',
  })
}
