/**
 * Every name that a host keeps on disk. ARCHITECTURE.md says how they hang together.
 *
 * ```
 * <data>/images/<id>/               an image: image.json, vmlinux, initramfs, disk-0.qcow2
 * <data>/images/<id>/ready/<size>/  a snapshot of it right after its boot, for one size and machine
 * <data>/parts/<kind>-<digest>/     what images are put together from; reused while its recipe is the same
 * <data>/snapshots/<id>/            a user's snapshot
 * <data>/capsules/<id>/             a live capsule: capsule.json, its files, vmm.log, run/ (where its process works)
 * <data>/staging/                   what is being made; emptied at start
 * <data>/accelerator.json           which accelerator works here, found out once per boot of the machine
 * <data>/format.json                which form all of this has, and which version of Wrenn gave it that
 * ```
 *
 * A snapshot's and a capsule's files are hard links: a file is there until the last that uses it is gone, and nothing
 * has to count.
 */
import { join } from 'node:path'
import { randomHex } from '@wrenn/wire'

export const names = {
  manifest: 'manifest.json',
  image: 'image.json',
  record: 'capsule.json',
  kernel: 'vmlinux',
  initramfs: 'initramfs',
  memory: 'memory.base',
  devices: 'devices.state',
  savedDevices: 'devices.saved',
  log: 'vmm.log',
  run: 'run',
  ready: 'ready',
} as const

export interface Paths {
  data: string
  images: string
  parts: string
  snapshots: string
  capsules: string
  staging: string
  accelerator: string
  format: string
  image(id: string): string
  readyOf(imageId: string): string
  ready(imageId: string, size: string): string
  snapshot(id: string): string
  capsule(id: string): string
}

/** The paths below a data directory. */
export function pathsOf(data: string): Paths {
  const below = (...parts: string[]) => join(data, ...parts)
  return {
    data,
    images: below('images'),
    parts: below('parts'),
    snapshots: below('snapshots'),
    capsules: below('capsules'),
    staging: below('staging'),
    accelerator: below('accelerator.json'),
    format: below('format.json'),
    image: (id) => below('images', id),
    readyOf: (imageId) => below('images', imageId, names.ready),
    ready: (imageId, size) => below('images', imageId, names.ready, size),
    snapshot: (id) => below('snapshots', id),
    capsule: (id) => below('capsules', id),
  }
}

/** The disk layers of an image: its file system, and what its boot wrote over it. */
export const imageLayers = { root: 'disk-0.qcow2', boot: 'disk-1.qcow2' } as const

/** A name that no other file of a directory has: files are never replaced by others of their name. */
export const newName = {
  base: () => `memory-${randomHex(6)}.base`,
  difference: () => `memory-${randomHex(6)}.difference`,
  diskLayer: () => `disk-${randomHex(6)}.qcow2`,
}
