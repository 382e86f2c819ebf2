/**
 * The initramfs: the agent as /init, and the kernel modules that it loads. An archive in cpio's "newc" format
 * (the kernel's Documentation/driver-api/early-userspace/buffer-format.rst).
 */

interface Entry {
  name: string
  mode: number
  data?: Uint8Array
}

const DIRECTORY = 0o040755
const PROGRAM = 0o100755
const FILE = 0o100644
const ALIGNMENT = 4

export interface InitramfsContent {
  agent: Uint8Array
  /** Kernel modules, in the order in which they are loaded. */
  modules: { name: string; data: Uint8Array }[]
}

/** Packs the archive. The same content always gives the same bytes. */
export function packInitramfs({ agent, modules }: InitramfsContent): Buffer {
  const order = modules.map(({ name }) => `/modules/${name}.ko\n`).join('')
  const directories = ['dev', 'proc', 'sys', 'newroot', 'modules'].map((name) => ({ name, mode: DIRECTORY }))
  return Buffer.concat([
    ...directories.map((entry, i) => pack(entry, i + 1)),
    pack({ name: 'init', mode: PROGRAM, data: agent }, 100),
    pack({ name: 'modules/order', mode: FILE, data: Buffer.from(order) }, 101),
    ...modules.map(({ name, data }, i) => pack({ name: `modules/${name}.ko`, mode: FILE, data }, 200 + i)),
    pack({ name: 'TRAILER!!!', mode: 0 }, 0),
  ])
}

function pack({ name, mode, data = new Uint8Array() }: Entry, inode: number): Buffer {
  const links = mode === DIRECTORY ? 2 : 1
  // inode, mode, uid, gid, links, mtime, size, device (major, minor), special device (major, minor), name length, checksum
  const fields = [inode, mode, 0, 0, links, 0, data.length, 0, 0, 0, 0, name.length + 1, 0]
  const head = Buffer.from(
    '070701' + fields.map((n) => n.toString(16).padStart(8, '0')).join('') + name + '\0',
    'latin1',
  )
  return Buffer.concat([head, padding(head.length), data, padding(data.length)])
}

function padding(length: number): Buffer {
  return Buffer.alloc((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT)
}
