/**
 * The seam between capsules and the programs that run virtual machines. A *driver* is the code for one kind of virtual
 * machine monitor, a *vm* is one live process of it. Differences between drivers are data in the probe's features.
 */
import type { Duplex } from 'node:stream'
import { z } from 'zod'

export const vmmKinds = ['qemu', 'fake'] as const
export type VmmKind = (typeof vmmKinds)[number]

/** What a captured state needs of the machine that restores it; compared field by field. */
export const needsSchema = z.object({
  vmm: z.enum(vmmKinds),
  vmmVersion: z.string(),
  accelerator: z.string(),
  cpu: z.string(),
})
export type Needs = z.infer<typeof needsSchema>

export interface VmmProbe {
  /** What a state captured here will need. */
  needs: Needs
  /** Why this accelerator, in words for a person. */
  acceleratorReason: string
  features: {
    /** Whether template memory is opened read-only, so that no vm can change what others share. */
    readOnlyMemory: boolean
  }
}

/** The network that a vm is put on: a network namespace of its own, with a tap device that its user may open. */
export interface VmNetwork {
  /** The path of the namespace. */
  namespace: string
  tap: string
}

/** All paths are absolute. */
interface Machine {
  /** The capsule's or image's id; names the process. */
  name: string
  /** The directory with all its files. */
  dir: string
  /** Where the process works, with its sockets, below that. */
  runDir: string
  /** Where its messages go. */
  logFile: string
  /** The user that it runs as; ours when absent. */
  uid?: number | undefined
  vcpus: number
  memoryMb: number
  /** Absent: its network card is connected to nothing. */
  network?: VmNetwork | undefined
  /** The disk's layers, qcow2, lowest first; all but the last are read-only. */
  disk: string[]
  diskSizeMb: number
}

export interface BootSpec extends Machine {
  kernel: string
  initramfs: string
  commandLine: string
  /** A fresh sparse file that becomes the memory image. */
  memory: string
}

export interface RestoreSpec extends Machine {
  /** The base image: mapped privately, never written. */
  memory: string
  /** What the captured memory changed of it. */
  difference?: string | undefined
  /** The saved device state. */
  devices: string
}

/** What finds a vm again after our own restart. */
export const vmRecordSchema = z.object({
  kind: z.enum(vmmKinds),
  pid: z.int(),
  /** The process's start time in clock ticks since boot: tells it from a later one with the same pid. */
  startTime: z.string(),
  runDir: z.string(),
  memory: z.string(),
  needs: needsSchema,
})
export type VmRecord = z.infer<typeof vmRecordSchema>

/** Why a process is not found that was there when we ended. */
export const lostBy = {
  end: 'its process ended while the server was down',
  another: 'its process ended while the server was down, and its number is that of another by now',
} as const

export interface VmExit {
  /** In words for a person. */
  reason: string
  /** Whether we asked for it. */
  wanted: boolean
}

/** What a capture is to take. */
export interface CapturePlan {
  /** Whether the guest runs on by itself; otherwise it stays paused when the capture has succeeded. */
  goesOn: boolean
  /** Where the memory goes, as its difference from the base; absent for a boot, whose memory is a file already. */
  memory?: WriteMemory | undefined
  /** An empty layer that comes over the disk at this instant: what was the top is written no more. */
  diskLayer?: string | undefined
}

/** What of a captured memory was written. */
export interface WrittenMemory {
  /** Bytes that differ from the base. */
  changedBytes: number
  /** SHA-256 of the file, hex, where that was asked for. */
  sha256: string | undefined
}

export interface WriteMemory {
  /** The file to make. */
  into: string
  /** Whether it is to last: it gets a digest, and the disk begins with it at once. */
  lasting: boolean
}

/** A guest of one instant, as far as it is in our memory, or in that of the paused vm. */
export interface Captured {
  devices: Buffer
  /** How long the guest did not run for it, in milliseconds; for one that goes on. */
  pauseMs: number
  /** Writes the memory difference. Of a guest that does not go on it is read only now. */
  writeMemory(): Promise<WrittenMemory>
}

export type AgentPort = 'control' | 'data'

/** What a vm uses of the host. */
export interface VmUsage {
  /** Processor time since it started, in milliseconds; of all its processors together. */
  cpuMs: number
  /** Memory that is in use for it alone, in bytes. */
  memoryBytes: number
}

export interface Vm {
  readonly record: VmRecord
  /** Never rejects; the first cause wins. */
  readonly exited: Promise<VmExit>
  pause(): Promise<void>
  resume(): Promise<void>
  /** Takes memory, devices and disk of one instant. When it fails, the guest runs on. */
  capture(plan: CapturePlan): Promise<Captured>
  /** Puts one disk layer in the place of several below the one that is written, while the guest runs. */
  shortenDisk(shorten: ShortenDisk): Promise<void>
  /** Opens one of the agent's two ports. A new opening replaces the one before. */
  openPort(port: AgentPort): Promise<Duplex>
  /** Read from outside, without the guest. */
  usage(): Promise<VmUsage>
  /** The last that the guest's console said, for error messages; empty where there is none. */
  consoleTail(): Promise<string>
  /** Ends the process for good. Idempotent. */
  stop(): Promise<VmExit>
  /** Lets go of the process without ending it. */
  detach(): void
}

export interface FlattenDisk {
  /** Where the layers are. */
  dir: string
  /** The name of the lowest layer, which stays as it is. */
  root: string
  /** The names of the layers over it, lowest first, whose content goes into one. */
  upper: readonly string[]
  /** The name of the layer to make. */
  into: string
  diskSizeMb: number
}

/** Paths of layers. */
export interface ShortenDisk {
  /** The lowest, which stays. */
  root: string
  /** Those over it, lowest first. */
  replaced: readonly string[]
  /** What takes their place, with the same content. */
  into: string
  /** The one over them, which stays. */
  above: string
}

export interface FoldMemory {
  base: string
  difference: string
  /** The file to make. */
  into: string
}

/** A vm that is not there any more. */
export interface Lost {
  /** Why, in words for a person. */
  lost: string
}

export interface VmmDriver {
  readonly kind: VmmKind
  /** What this driver can do here, or a rejection that says why it cannot. */
  probe(): Promise<VmmProbe>
  /** Resolves when the process runs the guest; the guest's agent may answer later. */
  boot(spec: BootSpec, signal: AbortSignal): Promise<Vm>
  /** Resolves when the captured state is in place, paused. */
  restore(spec: RestoreSpec, signal: AbortSignal): Promise<Vm>
  /**
   * Makes one memory image of a base and a difference.
   * @throws {DamagedError} when the difference is not what was written
   */
  foldMemory(fold: FoldMemory): Promise<void>
  /** Makes one disk layer of several, which stay as they are. */
  flattenDisk(flatten: FlattenDisk): Promise<void>
  /** Finds a vm again. It rejects when the process is there and cannot be reached. */
  adopt(record: VmRecord): Promise<Vm | Lost>
  /** Removes what processes that are gone have left behind on the machine. */
  reclaim(): Promise<void>
  /** Lets go of everything; vms that run go on. */
  close(): Promise<void>
}
