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

/** All paths are absolute. */
interface Machine {
  /** The capsule's or image's id; names the process. */
  name: string
  /** Where the process runs and puts its sockets; nothing else is written there. */
  runDir: string
  /** Where its messages go. */
  logFile: string
  /** The user that it runs as; ours when absent. */
  uid?: number | undefined
  vcpus: number
  memoryMb: number
  /** The disk's layers, qcow2, lowest first; all but the last are read-only. */
  disk: string[]
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

export interface VmExit {
  /** In words for a person. */
  reason: string
  /** Whether we asked for it. */
  wanted: boolean
}

/** What a capture of a paused vm wrote. */
export interface Capture {
  /** Bytes of memory that differ from the base. */
  changedBytes: number
}

export interface CaptureInto {
  /** The file for the memory difference. */
  difference?: string
  /** The file for the device state. */
  devices: string
}

export type AgentPort = 'control' | 'data'

export interface Vm {
  readonly record: VmRecord
  /** Never rejects; the first cause wins. */
  readonly exited: Promise<VmExit>
  pause(): Promise<void>
  resume(): Promise<void>
  /** Writes the device state and, where asked, the memory difference. Only while paused. */
  capture(into: CaptureInto): Promise<Capture>
  /** Puts an empty layer over the disk; what was the top is written no more. Only while paused. */
  addDiskLayer(path: string): Promise<void>
  /** Opens one of the agent's two ports. A new opening replaces the one before. */
  openPort(port: AgentPort): Promise<Duplex>
  /** The last that the guest's console said, for error messages; empty where there is none. */
  consoleTail(): Promise<string>
  /** Ends the process for good. Idempotent. */
  stop(): Promise<VmExit>
  /** Lets go of the process without ending it. */
  detach(): void
}

export interface VmmDriver {
  readonly kind: VmmKind
  /** What this driver can do here, or a rejection that says why it cannot. */
  probe(): Promise<VmmProbe>
  /** Resolves when the process runs the guest; the guest's agent may answer later. */
  boot(spec: BootSpec, signal: AbortSignal): Promise<Vm>
  /** Resolves when the captured state is in place, paused. */
  restore(spec: RestoreSpec, signal: AbortSignal): Promise<Vm>
  /** Finds a vm again; undefined when it is gone. */
  adopt(record: VmRecord): Promise<Vm | undefined>
}
