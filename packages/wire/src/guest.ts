/** What may be done inside a running capsule. Every method rejects with a Problem whose code is from the error table. */
import type { Duplex } from 'node:stream'
import type { KillSignal, ProcessBody, TerminalSize } from './exec.js'
import type { FileChange, FileEntry } from './files.js'

export interface ExecSpec {
  cmd: string
  args: string[]
  envs?: Record<string, string> | undefined
  cwd?: string | undefined
  tag?: string | undefined
  timeoutMs?: number | undefined
  /** Gives it a pseudo-terminal of this size. */
  pty?: TerminalSize | undefined
  /** Whether it has a stdin that is written to by `writeStdin`; otherwise it reads an empty one. */
  stdin?: boolean | undefined
  /** What becomes of an attached program when its stream breaks off. Default `kill`, with a terminal `keep`. */
  onDisconnect?: 'kill' | 'keep' | undefined
}

/** A program that exec started: its own name for life, its pid, and its tag where it has one. */
export interface SessionRef {
  id: string
  pid: number
  tag?: string | undefined
}

/** A piece of output, or the end. */
export type ExecChunk =
  | { type: 'stdout' | 'stderr'; data: Uint8Array }
  | { type: 'exit'; exitCode: number; timedOut: boolean; durationMs: number }

/** A program that runs attached: ending the iteration early, or aborting, is a disconnect. */
export interface ExecSession extends SessionRef {
  /** Ends with exactly one `exit`. A slow reader slows the program. */
  output: AsyncIterable<ExecChunk>
}

/** Where in a session's output to begin: at an offset, so many bytes before the end, or at the oldest that is kept. */
export interface OutputStart {
  from?: number | undefined
  tail?: number | undefined
}

/** A session's output, taken up by one of several readers. Leaving it leaves the program alone. */
export interface Attachment extends ExecSession {
  /** Where `output` begins. One offset counts the bytes of stdout and stderr together, in the order they came. */
  offset: number
  /** Whether bytes between what was asked for and `offset` are lost. */
  dropped: boolean
}

export interface FileContent {
  /** Absent where it is not known ahead, as in /proc. */
  size?: number | undefined
  chunks: AsyncIterable<Uint8Array>
}

/** A selector is a session's id, a pid or a tag. */
export interface Guest {
  /** Starts a program whose output this call reads. */
  exec(spec: ExecSpec, signal: AbortSignal): Promise<ExecSession>
  /** Starts a program that outlives the call. */
  spawn(spec: ExecSpec, signal: AbortSignal): Promise<SessionRef & { tag: string }>
  processes(signal: AbortSignal): Promise<ProcessBody[]>
  /** Reads what a program has written and writes, also one that has ended a while ago. */
  attach(selector: string, start: OutputStart, signal: AbortSignal): Promise<Attachment>
  /** Resolves when the program has taken all of it. @throws Problem `conflict` when its stdin is closed */
  writeStdin(selector: string, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>
  endStdin(selector: string, signal: AbortSignal): Promise<void>
  resize(selector: string, size: TerminalSize, signal: AbortSignal): Promise<void>
  kill(selector: string, how: KillSignal, signal: AbortSignal): Promise<void>

  writeFile(path: string, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>
  readFile(path: string, signal: AbortSignal): Promise<FileContent>
  listFiles(path: string, depth: number, signal: AbortSignal): Promise<FileEntry[]>
  stat(path: string, signal: AbortSignal): Promise<FileEntry>
  makeDir(path: string, signal: AbortSignal): Promise<FileEntry>
  /** @throws Problem `conflict` when something is at the target, unless it is to be overwritten */
  move(move: { from: string; to: string; overwrite: boolean }, signal: AbortSignal): Promise<FileEntry>
  remove(path: string, signal: AbortSignal): Promise<void>
  /** A directory, or one file, as a tar archive. */
  readTar(path: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>
  /** Lays an archive out below a directory, which is made. */
  writeTar(path: string, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>
  /** Resolves when the directory is watched; ends when it is gone. */
  watch(path: string, recursive: boolean, signal: AbortSignal): Promise<AsyncIterable<FileChange>>

  /** A connection to a port on the guest's loopback. Aborting destroys it. @throws Problem `agent_error` when nothing listens there */
  connect(port: number, signal: AbortSignal): Promise<Duplex>
}
