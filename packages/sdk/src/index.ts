export { Capsule, Capsules, type CreateOptions, type SnapshotOptions } from './capsule.js'
export {
  Commands,
  type BackgroundProcess,
  type Command,
  type CommandEvent,
  type CommandOptions,
  type CommandResult,
  type RunOptions,
} from './commands.js'
export * from './errors.js'
export { Files } from './files.js'
export { Template, Templates, type ListTemplates } from './template.js'
export type { ClientOptions, RequestOptions } from './transport.js'
export { Keys, Wrenn } from './wrenn.js'
