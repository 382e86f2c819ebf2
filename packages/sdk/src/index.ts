export { Capsule } from './capsule.js'
export type { CreateOptions, SnapshotOptions } from './capsule-calls.js'
export { Capsules } from './capsules.js'
export type { RunCodeOptions } from './code.js'
export type { Execution, ExecutionError, MimeBundle, Result } from './code-results.js'
export {
  Commands,
  type BackgroundProcess,
  type Command,
  type CommandEvent,
  type CommandOptions,
  type CommandResult,
  type RunOptions,
  type StartOptions,
} from './commands.js'
export * from './errors.js'
export { WrennForkError } from './fork-error.js'
export { Files } from './files.js'
export { Template, Templates, type ListTemplates } from './template.js'
export type { Timings } from './timings.js'
export type { ClientOptions, MakeOptions, RequestOptions } from './transport.js'
export { Keys, Wrenn } from './wrenn.js'
export type { CapsuleBody, CapsuleStatus, TemplateBody, VerificationBody, VersionBody } from '@wrenn/wire'
