/** The tables, as the query builder sees them: columns in camel case, times as ISO text, booleans as 0 and 1. */
import type { CapsuleStatus, KeyScope } from '@wrenn/wire'
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
  /** What it may do. */
  scope: KeyScope
  createdAt: string
  /** From when on it is not valid any more; null: never. */
  expiresAt: string | null
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
  /** How many ready versions are kept, the one that the name means included. */
  keepVersions: number
  /** Seconds without use after which a version goes; null: never. */
  expiresIn: number | null
  /** The highest number that was ever given under this name. */
  lastNumber: number
  createdAt: string
}

/** `retired`: no name leads to it any more, and its files go when nothing starts from it. */
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
  /** The number that the parent's version had. */
  parentNumber: number | null
  sourceCapsuleId: string | null
  /** JSON: string to string. */
  metadata: string
  /** When something was last started from it. */
  lastUsedAt: string | null
  /** What is wrong with its files; it is not started. */
  damage: string | null
  /** When its files were last compared with their digests, or that was tried. */
  checkedAt: string | null
  createdAt: string
}

export interface CapsuleRow {
  id: string
  teamId: string
  /** The name as it was given at creation. */
  template: string
  versionId: string | null
  /** The host's id of the pause; null unless it is paused. */
  snapshotId: string | null
  status: CapsuleStatus
  /** What is under way; clients do not see it. */
  operation: Operation | null
  vcpus: number
  memoryMb: number
  timeoutSec: number
  diskSizeMb: number
  /** JSON: string to string; null when the user gave no labels. */
  metadata: string | null
  /** Its environment variables, sealed; null: none. */
  envs: string | null
  /** JSON: what it may reach. */
  network: string
  /** JSON: what its last start made its own; null before that. */
  renewal: string | null
  /** What its ports ask of whoever comes through the proxy; null: nothing. */
  proxyToken: string | null
  /** Why it is missing or in error; for the log and for people who look. */
  reason: string | null
  createdAt: string
  startedAt: string | null
  lastActiveAt: string | null
  lastUpdated: string
}

/** An answer that a repetition of the same request is given again. */
export interface AnswerRow {
  keyId: string
  idempotencyKey: string
  /** A keyed digest of what was asked. */
  request: string
  /** The answer, which only the caller's API key opens; empty while there is none. */
  sealed: string
  /** What was begun for it, while there is no answer: an id, several, or a tag, as the route has it. */
  begun: string | null
  createdAt: string
}

/** What a capsule used in the mean over half a minute. */
export interface SampleRow {
  capsuleId: string
  /** When it begins, in seconds since 1970. */
  at: number
  /** 0 to 100, of all its vCPUs together. */
  cpuPct: number
  memBytes: number
  diskBytes: number
}

/** The most that a team's running capsules reserved at any time of a step. */
export interface LoadRow {
  teamId: string
  /** How long the step is, in seconds: 60 or 3600. */
  step: number
  /** When it begins, in seconds since 1970. */
  at: number
  running: number
  vcpus: number
  memoryMb: number
}

/** What a team's running capsules reserved on one day (UTC), added up. */
export interface DayRow {
  teamId: string
  /** `2026-01-02`. */
  day: string
  /** vCPUs times milliseconds. */
  cpuMs: number
  /** MiB times milliseconds. */
  ramMbMs: number
}

/** Until when days and loads are accounted for; a table of one row. */
export interface AccountedRow {
  id: number
  /** In milliseconds since 1970. */
  until: number
}

export interface Tables {
  teams: TeamRow
  keys: KeyRow
  templates: TemplateRow
  versions: VersionRow
  capsules: CapsuleRow
  answers: AnswerRow
  samples: SampleRow
  loads: LoadRow
  days: DayRow
  accounted: AccountedRow
}
