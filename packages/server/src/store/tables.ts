/** The tables, as the query builder sees them: columns in camel case, times as ISO text, booleans as 0 and 1. */
import type { CapsuleStatus } from '@wrenn/wire'
import type { Operation } from './moves.js'

export interface TeamRow {
  id: string
  name: string
  createdAt: string
}

export interface KeyRow {
  id: string
  teamId: string
  name: string
  /** SHA-256 of the key, hex. */
  hash: string
  /** The first characters of the key, which may be shown. */
  prefix: string
  createdAt: string
  lastUsedAt: string | null
  revokedAt: string | null
}

/** A name. It means nothing (it is claimed, or was deleted) while `versionId` is null. */
export interface TemplateRow {
  id: string
  teamId: string
  name: string
  platform: number
  versionId: string | null
  createdAt: string
}

export type VersionState = 'pending' | 'ready' | 'retired'

/** What a name means, meant, or is about to mean. */
export interface VersionRow {
  /** A snapshot's own id; for an image an id of its own. */
  id: string
  templateId: string
  /** Given when the version becomes ready. */
  number: number | null
  kind: 'image' | 'snapshot'
  /** The host's id of the image or the snapshot. */
  ref: string
  state: VersionState
  vcpus: number | null
  memoryMb: number | null
  sizeBytes: number
  /** The template that the captured capsule was started from. */
  parent: string | null
  sourceCapsuleId: string | null
  /** JSON: string to string. */
  metadata: string
  createdAt: string
}

export interface CapsuleRow {
  id: string
  teamId: string
  /** The name as it was given at creation. */
  template: string
  versionId: string | null
  status: CapsuleStatus
  /** What is under way; clients do not see it. */
  operation: Operation | null
  vcpus: number
  memoryMb: number
  timeoutSec: number
  diskSizeMb: number
  /** JSON: string to string; null when the user gave no labels. */
  metadata: string | null
  /** Why it is missing or in error; for the log and for people who look. */
  reason: string | null
  createdAt: string
  startedAt: string | null
  lastActiveAt: string | null
  lastUpdated: string
}

export interface Tables {
  teams: TeamRow
  keys: KeyRow
  templates: TemplateRow
  versions: VersionRow
  capsules: CapsuleRow
}
