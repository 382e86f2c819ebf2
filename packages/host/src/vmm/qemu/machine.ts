/** QEMU's command line: one machine, the same for a boot and a restore. */
import { relative } from 'node:path'
import type { BootSpec, RestoreSpec, VmNetwork } from '../types.js'

/** How QEMU runs the guest's instructions. */
export interface Accelerator {
  name: 'kvm' | 'tcg'
  /** QEMU's `-accel` argument. */
  argument: string
  /** QEMU's `-cpu` argument. */
  cpu: string
}

// Under TCG a named modern model rather than `max`: what `max` adds (five-level paging, protection keys and more) is
// emulated bit by bit and makes every guest slower.
export const accelerators: Record<Accelerator['name'], Accelerator> = {
  kvm: { name: 'kvm', argument: 'kvm', cpu: 'host,migratable=on' },
  tcg: { name: 'tcg', argument: 'tcg,thread=multi', cpu: 'max,la57=off,pku=off,pks=off' },
}

/** Names of the sockets in the vm's run directory. */
export const sockets = { qmp: 'qmp.sock', control: 'control.sock', data: 'data.sock' } as const

/** Files are named relative to where the process works: it need not be able to reach that place by its full path. */
function relativeTo(runDir: string) {
  return (path: string) => relative(runDir, path)
}

/** The names of the agent's ports in the guest. */
export const portNames = { control: 'wrenn.control', data: 'wrenn.data' } as const

/** The inherited descriptor on which QEMU greets. */
const READY_FD = 3
/** Those of its sockets, which listen already: QEMU need not be able to make files. */
const socketFds: Record<keyof typeof sockets, number> = { qmp: 4, control: 5, data: 6 }
/** The sockets in the order of their descriptors. */
export const socketNames = [sockets.qmp, sockets.control, sockets.data]

/** The console's last bytes, kept in QEMU's memory: a guest that prints for ever fills no disk. */
const CONSOLE_BYTES = 65_536

type Machine = Pick<BootSpec, 'name' | 'runDir' | 'vcpus' | 'memoryMb' | 'memory' | 'disk' | 'network'>

function machine({ name, runDir, vcpus, memoryMb, disk, network }: Machine, accelerator: Accelerator): string[] {
  return [
    ...['-name', `wrenn-${name},process=wrenn-vm`],
    ...['-no-user-config', '-nodefaults', '-display', 'none', '-no-reboot'],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    // ACPI stays on (Debian's kernel finds virtio-mmio through it), and so do, under TCG, the PIT and the PIC: without
    // them the kernel's clock calibration never ends. The firmware is named because its default varies by version.
    ...[
      '-M',
      'microvm,x-option-roms=off,isa-serial=on,rtc=on,memory-backend=mem,suppress-vmdesc=on',
      '-bios',
      'qboot.rom',
    ],
    ...['-accel', accelerator.argument, '-cpu', accelerator.cpu, '-smp', String(vcpus), '-m', `${memoryMb}M`],
    ...['-chardev', `ringbuf,id=console,size=${CONSOLE_BYTES}`, '-serial', 'chardev:console'],
    ...['-chardev', `socket,id=ready,fd=${READY_FD}`, '-mon', 'chardev=ready,mode=control'],
    ...['-chardev', `socket,id=qmp,fd=${socketFds.qmp},server=on,wait=off`, '-mon', 'chardev=qmp,mode=control'],
    ...['-device', 'virtio-serial-device,max_ports=3'],
    ...port('control', 1),
    ...port('data', 2),
    ...blockdevs(disk, runDir),
    ...['-device', 'virtio-blk-device,drive=disk'],
    ...card(network),
  ]
}

/** The network card's name, by which its link is set. */
export const CARD = 'card'
/** The same in every guest: each is alone on its wire. */
const CARD_MAC = '02:77:72:6e:6e:02'
/** What a card can do depends on what it is connected to, unless all of that is off: a state fits whether it is or not. */
const CARD_WITHOUT =
  'csum,gso,guest_csum,guest_tso4,guest_tso6,guest_ecn,guest_ufo,guest_uso4,guest_uso6,host_tso4,host_tso6,host_ecn,host_ufo,host_uso,ctrl_vq,ctrl_rx,ctrl_rx_extra,ctrl_vlan,ctrl_mac_addr,ctrl_guest_offloads,guest_announce'

function card(network: VmNetwork | undefined): string[] {
  const off = CARD_WITHOUT.split(',').map((feature) => `${feature}=off`)
  const tap = network && `tap,id=net,ifname=${network.tap},script=no,downscript=no,vhost=off,vnet_hdr=off`
  return [
    ...(tap ? ['-netdev', tap] : []),
    ...['-device', [`virtio-net-device,id=${CARD},mac=${CARD_MAC}`, ...(tap ? ['netdev=net'] : []), ...off].join(',')],
  ]
}

function port(name: keyof typeof portNames, number: number): string[] {
  return [
    ...['-chardev', `socket,id=${name},fd=${socketFds[name]},server=on,wait=off`],
    ...['-device', `virtserialport,chardev=${name},name=${portNames[name]},nr=${number}`],
  ]
}

/**
 * A file that is open for writing only as long as somebody writes it: once another layer is over it, it is frozen, and
 * could not be opened for writing again.
 */
export const writable = { 'auto-read-only': true } as const

/** The chain of layers, each named by us: what a layer's own header says of what lies below it is never followed. */
function blockdevs(layers: string[], runDir: string): string[] {
  const fromRun = relativeTo(runDir)
  return layers.flatMap((path, i) => {
    const top = i === layers.length - 1
    const node = {
      driver: 'qcow2',
      'node-name': top ? 'disk' : `layer${i}`,
      'read-only': !top,
      discard: 'unmap',
      // A guest that runs does not outlive a power cut anyway; what is to outlive it is synced when it is captured. So a
      // guest's own syncs need not wait for the disk, and neither does the pause of a capture.
      cache: { 'no-flush': true },
      file: {
        driver: 'file',
        filename: fromRun(path),
        'node-name': `file${i}`,
        ...(top ? writable : { 'read-only': true }),
      },
      backing: i === 0 ? null : `layer${i - 1}`,
    }
    return ['-blockdev', JSON.stringify(node)]
  })
}

/** The arguments that boot a guest whose memory file becomes an image. */
export function bootArguments(spec: BootSpec, accelerator: Accelerator): string[] {
  const fromRun = relativeTo(spec.runDir)
  const backend = {
    'qom-type': 'memory-backend-file',
    id: 'mem',
    size: bytes(spec),
    'mem-path': fromRun(spec.memory),
    share: true,
  }
  return [
    ...['-object', JSON.stringify(backend)],
    ...machine(spec, accelerator),
    ...['-kernel', fromRun(spec.kernel), '-initrd', fromRun(spec.initramfs), '-append', spec.commandLine],
  ]
}

/** The arguments for a guest whose state comes afterwards; it waits, paused. */
export function restoreArguments(spec: RestoreSpec, accelerator: Accelerator): string[] {
  const fromRun = relativeTo(spec.runDir)
  const base = { 'qom-type': 'memory-backend-file', id: 'mem', size: bytes(spec), 'mem-path': fromRun(spec.memory) }
  // Opened read-only and mapped privately: pages are shared until they are written, and no vm can write the file.
  const backend = { ...base, share: false, readonly: true, rom: 'off' }
  return [
    ...['-object', JSON.stringify(backend)],
    ...machine(spec, accelerator),
    ...['-S', '-incoming', 'defer', '-global', 'migration.send-configuration=off'],
  ]
}

/**
 * The arguments that boot a guest whose memory is QEMU's alone, in no file. Nothing of ours runs so: it is what QEMU's own
 * saving and restoring of a whole guest is measured with.
 */
export function fullSaveArguments(spec: BootSpec, accelerator: Accelerator): string[] {
  const fromRun = relativeTo(spec.runDir)
  return [
    ...ownMemory(spec),
    ...machine(spec, accelerator),
    ...['-kernel', fromRun(spec.kernel), '-initrd', fromRun(spec.initramfs), '-append', spec.commandLine],
  ]
}

/** The arguments for a guest whose whole state, memory included, comes from what QEMU saved; it waits, paused. */
export function fullRestoreArguments(spec: Machine, accelerator: Accelerator): string[] {
  return [...ownMemory(spec), ...machine(spec, accelerator), ...['-S', '-incoming', 'defer']]
}

function ownMemory(spec: Machine): string[] {
  return ['-object', JSON.stringify({ 'qom-type': 'memory-backend-ram', id: 'mem', size: bytes(spec) })]
}

function bytes({ memoryMb }: Machine): number {
  return memoryMb * 1024 * 1024
}
