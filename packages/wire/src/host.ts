/**
 * The seam between the server and a host: the server knows a host as this interface alone. Today both live in one
 * process; the shapes are plain data and streams so that a network can come between them.
 *
 * Every method rejects with a Problem whose code is from the error table.
 */
import type { Guest } from './guest.js'
import type { NetworkPolicy } from './network.js'
import type { HookResult, Renewal } from './renewal.js'

/** What a capsule is restored from: an image takes any size, a snapshot has its own. */
export type Source = { kind: 'image'; imageId: string } | { kind: 'snapshot'; snapshotId: string }

/** A bootable image that the host offers as a platform template. */
export interface ImageInfo {
  id: string
  /** The template's name: `minimal`, `base-python`. */
  name: string
  sizeBytes: number
  createdAt: Date
  /** What made it: kernel, vmm and agent versions. */
  metadata: Record<string, string>
}

/** What the host can do; shown at start and by `doctor`. */
export interface HostFacts {
  vmm: string
  vmmVersion: string
  accelerator: string
  /** Why this accelerator, in words for a person. */
  acceleratorReason: string
  limits: { maxVcpus: number; maxMemoryMb: number }
  /** Whether capsules have a network, and why not, or how, in words for a person. */
  network: { isThere: boolean; reason: string }
}

export interface StartSpec {
  capsuleId: string
  source: Source
  vcpus: number
  memoryMb: number
  /** The template's name, visible inside the capsule. */
  template: string
  /** What it may reach from its first instant on. */
  network: NetworkPolicy
}

/** Capsules that are about to be started on a host. */
export interface StartsWanted {
  count: number
  /** Of each. */
  memoryMb: number
}

/** What a host has room for, in bytes. Below a reserve, or beyond what may be promised, it refuses more. */
export interface Room {
  memoryFreeBytes: number
  memoryReserveBytes: number
  /** What the capsules that run or start may come to use together. */
  memoryPromisedBytes: number
  memoryMostPromisedBytes: number
  diskFreeBytes: number
  diskReserveBytes: number
  startsWaiting: number
  capturesWaiting: number
}

/** How long the parts of a piece of work took, in milliseconds; for people who look. */
export type Timings = Record<string, number>

export interface StartedCapsule {
  diskSizeMb: number
  /** What the start made its own; confirmed by its agent. */
  renewal: Renewal
  timings: Timings
}

/**
 * What a capture is for. A template is to last and to be started often; a pause is started once; a fork is gone as soon
 * as its capsules have started, so it need not survive a power cut.
 */
export type Purpose = 'template' | 'pause' | 'fork'

export interface CaptureSpec {
  capsuleId: string
  snapshotId: string
  purpose: Purpose
  /** Whether the capsule runs on: it is held only for the capture itself. Otherwise it stays held. */
  keepSource: boolean
}

export interface SnapshotInfo {
  vcpus: number
  memoryMb: number
  /** Bytes that this snapshot alone occupies on disk. */
  sizeBytes: number
  metadata: Record<string, string>
  /** What programs in the capsule did to get ready. */
  hooks: HookResult[]
  timings: Timings
}

/** What a snapshot's files occupy, in bytes. */
export interface Usage {
  /** Used by others too: other snapshots, or capsules that came from it. */
  sharedBytes: number
  /** Used by nothing else. */
  uniqueBytes: number
}

/** One file of a snapshot or an image, compared with the digest that was taken when it was made. */
export interface VerifiedPart {
  name: string
  bytes: number
  /** What is wrong with it; absent when nothing is. */
  problem?: string
}

/** What the server believes after its own restart. */
export interface Expected {
  capsuleIds: string[]
  snapshotIds: string[]
}

export interface Reconciled {
  /** Capsules that were found again and answer. */
  running: string[]
  /** Capsules that are gone, with the reason. */
  lost: { capsuleId: string; reason: string }[]
}

/** What a running capsule uses, as its host sees it. */
export interface CapsuleSample {
  capsuleId: string
  /** Processor time that it has used since it started or was resumed, in milliseconds; of all its vCPUs together. */
  cpuMs: number
  /** Memory of the host that is in use for it alone, in bytes. */
  memoryBytes: number
  /** Bytes that its own disk layers occupy. */
  diskBytes: number
}

export type Gone = (capsuleId: string, reason: string) => void

/** Told of a snapshot whose files were found to be damaged, with what is wrong in words. */
export type Damaged = (snapshotId: string, what: string) => void

export interface HostClient {
  facts(): Promise<HostFacts>
  images(): Promise<ImageInfo[]>
  /** The names of the templates whose images are still being built. */
  building(): Promise<string[]>

  /**
   * Compares what is on the host with what should be: takes up the capsules that still run, stops and removes the
   * rest, and removes snapshots that nobody knows. Called once, before anything else is asked of the host.
   */
  reconcile(expected: Expected): Promise<Reconciled>

  /**
   * Asks whether so many starts would fit now, before anything is begun for them. A start and a capture ask for themselves:
   * this is for what would have to be taken back otherwise.
   * @throws Problem `no_hosts_available` for memory, or when too many wait; `insufficient_storage`
   */
  admit(wanted: StartsWanted): Promise<void>

  /** What it has room for now. */
  room(): Promise<Room>

  /** Resolves when the capsule runs and its agent has answered; on failure nothing is left of it. */
  start(spec: StartSpec): Promise<StartedCapsule>

  /** Stops the capsule and removes what is its own. Idempotent; unknown ids are fine. */
  destroy(capsuleId: string): Promise<void>

  /**
   * Captures a running capsule. When it resolves, the snapshot is durable (but for a fork's). A source that is kept runs
   * on by then; any other is held until `release` or `destroy`: what it would do afterwards is not in the snapshot. When
   * it rejects, the capsule runs on where that is possible at all, and nothing is left of the snapshot.
   */
  capture(spec: CaptureSpec): Promise<SnapshotInfo>

  /**
   * Changes what a running capsule may reach. Connections that are not allowed any more end. When it rejects, nothing has
   * changed, where that is possible at all.
   * @throws Problem `host_unavailable` where the host gives no network, unless nothing is to be reached anyway
   */
  setNetwork(capsuleId: string, network: NetworkPolicy): Promise<void>

  /** Lets a held capsule run on. */
  release(capsuleId: string): Promise<void>

  /** Removes a snapshot's files. What was started from it keeps what it uses. Idempotent. */
  deleteSnapshot(snapshotId: string): Promise<void>

  /** What the snapshot's files occupy now. @throws Problem `template_corrupt` when they are gone */
  usage(snapshotId: string): Promise<Usage>

  /** Reads all of the files of a snapshot, or of an image, and compares their digests. */
  verify(source: Source): Promise<VerifiedPart[]>

  /** Bytes that the capsule itself has written to its disk. */
  diskUsedBytes(capsuleId: string): Promise<number>

  /** What each running capsule uses now. It is read from outside: no guest is asked, and none wakes. */
  samples(): Promise<CapsuleSample[]>

  /** What may be done inside a running capsule. */
  guest(capsuleId: string): Guest

  /** Registers what is called when `images` and `building` have changed. */
  onImages(listener: () => void): void

  /** Registers what is called when a capsule ends by itself. */
  onGone(listener: Gone): void

  /** Registers what is called when a snapshot's files turn out to be damaged. */
  onDamaged(listener: Damaged): void

  /** Lets go of everything; the capsules go on and are found again by the next `reconcile`. */
  close(): Promise<void>
}
