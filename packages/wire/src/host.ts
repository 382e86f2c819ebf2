/**
 * The seam between the server and a host: the server knows a host as this interface alone. Today both live in one
 * process; the shapes are plain data and streams so that a network can come between them.
 *
 * Every method rejects with a Problem whose code is from the error table.
 */
import type { KillSignal, ProcessBody } from './exec.js'
import type { FileEntry } from './files.js'

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
}

export interface StartSpec {
  capsuleId: string
  source: Source
  vcpus: number
  memoryMb: number
  /** The template's name, visible inside the capsule. */
  template: string
}

export interface StartedCapsule {
  diskSizeMb: number
}

export interface CaptureSpec {
  capsuleId: string
  snapshotId: string
  /** Whether the capsule is to run on after a successful capture (`release`), rather than be destroyed. */
  keepSource: boolean
}

export interface SnapshotInfo {
  vcpus: number
  memoryMb: number
  /** Bytes that this snapshot alone occupies on disk. */
  sizeBytes: number
  metadata: Record<string, string>
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

export type Gone = (capsuleId: string, reason: string) => void

export interface HostClient {
  facts(): Promise<HostFacts>
  images(): Promise<ImageInfo[]>

  /**
   * Compares what is on the host with what should be: takes up the capsules that still run, stops and removes the
   * rest, and removes snapshots that nobody knows. Called once, before anything else is asked of the host.
   */
  reconcile(expected: Expected): Promise<Reconciled>

  /** Resolves when the capsule runs and its agent has answered; on failure nothing is left of it. */
  start(spec: StartSpec): Promise<StartedCapsule>

  /** Stops the capsule and removes what is its own. Idempotent; unknown ids are fine. */
  destroy(capsuleId: string): Promise<void>

  /**
   * Captures a running capsule. When it resolves, the snapshot is durable, and the capsule is held (paused) until
   * `release` or `destroy`: what it would do afterwards is not in the snapshot. When it rejects, the capsule runs on
   * where that is possible at all, and nothing is left of the snapshot.
   */
  capture(spec: CaptureSpec): Promise<SnapshotInfo>

  /** Lets a held capsule run on. */
  release(capsuleId: string): Promise<void>

  /** Removes a snapshot's files. What was started from it keeps what it uses. Idempotent. */
  deleteSnapshot(snapshotId: string): Promise<void>

  /** Bytes that the capsule itself has written to its disk. */
  diskUsedBytes(capsuleId: string): Promise<number>

  /** What may be done inside a running capsule. */
  guest(capsuleId: string): Guest

  /** Registers what is called when a capsule ends by itself. */
  onGone(listener: Gone): void

  /** Lets go of everything; the capsules go on and are found again by the next `reconcile`. */
  close(): Promise<void>
}

export interface ExecSpec {
  cmd: string
  args: string[]
  envs?: Record<string, string> | undefined
  cwd?: string | undefined
  tag?: string | undefined
}

export type ExecChunk =
  | { type: 'stdout' | 'stderr'; data: Uint8Array }
  | { type: 'exit'; exitCode: number; timedOut: boolean; durationMs: number }

/** A program that runs attached: ending the iteration early, or aborting, kills its process group. */
export interface ExecSession {
  pid: number
  /** Ends with exactly one `exit`. A slow reader slows the program. */
  output: AsyncIterable<ExecChunk>
}

export interface FileContent {
  /** Absent where it is not known ahead, as in /proc. */
  size?: number | undefined
  chunks: AsyncIterable<Uint8Array>
}

export interface Guest {
  exec(spec: ExecSpec & { timeoutMs?: number | undefined }, signal: AbortSignal): Promise<ExecSession>
  /** Starts a program that outlives the call. */
  spawn(spec: ExecSpec, signal: AbortSignal): Promise<{ pid: number; tag: string }>
  processes(signal: AbortSignal): Promise<ProcessBody[]>
  /** @param selector a pid or a tag */
  kill(selector: string, how: KillSignal, signal: AbortSignal): Promise<void>
  writeFile(path: string, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>
  readFile(path: string, signal: AbortSignal): Promise<FileContent>
  listFiles(path: string, depth: number, signal: AbortSignal): Promise<FileEntry[]>
  makeDir(path: string, signal: AbortSignal): Promise<FileEntry>
  remove(path: string, signal: AbortSignal): Promise<void>
}
