export { BackgroundProcess, type ProcessNames } from './background.js'
export { Capsule } from './capsule.js'
export type {
  CreateOptions,
  ForkOptions,
  MetricsOptions,
  NetworkOptions,
  SnapshotOptions,
  StatsOptions,
  UsageOptions,
} from './capsule-calls.js'
export { Capsules } from './capsules.js'
export type { RunCodeOptions } from './code.js'
export type { Execution, ExecutionError, MimeBundle, Result } from './code-results.js'
export {
  Commands,
  type Command,
  type CommandOptions,
  type CommandResult,
  type RunOptions,
  type StartOptions,
  type StreamOptions,
} from './commands.js'
export * from './errors.js'
export type { EventsOptions, WrennEvent } from './events.js'
export { WrennForkError } from './fork-error.js'
export { Files, type MoveOptions, type WatchOptions } from './files.js'
export type { CommandEvent, OutputOptions } from './follow.js'
export { Pty, type PtyOptions } from './pty.js'
export type { Input } from './stdin.js'
export { Template, Templates, type ListTemplates } from './template.js'
export type { Timings } from './timings.js'
export type { ClientOptions, MakeOptions, RequestOptions } from './transport.js'
export { Keys, Wrenn, type NewKey } from './wrenn.js'
export type {
  CapsuleBody,
  CapsuleStatus,
  CreatedKeyBody,
  EventKind,
  FileChange,
  FileEntry,
  HookResult,
  KeyBody,
  KeyScope,
  KillSignal,
  MetricsBody,
  MetricsRange,
  ProcessBody,
  Renewal,
  StatsBody,
  StatsRange,
  TemplateBody,
  UsageBody,
  VerificationBody,
  VersionBody,
} from '@wrenn/wire'
