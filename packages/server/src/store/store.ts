/**
 * The store as the services know it: narrow, so that another database can stand behind it. Times go in and come out
 * as ISO text in UTC.
 */
import type { CapsuleStatus, NetworkPolicy, Renewal } from '@wrenn/wire'
import type { MoveName, Operation } from './moves.js'
import type { AnswerRow, CapsuleRow, DayRow, KeyRow, LoadRow, SampleRow, TemplateRow, VersionRow } from './tables.js'

export type Key = KeyRow

export type Labels = Record<string, string>
export type Version = Omit<VersionRow, 'metadata'> & { metadata: Labels }
export type Capsule = Omit<CapsuleRow, 'metadata' | 'network' | 'renewal'> & {
  metadata: Labels | null
  network: NetworkPolicy
  renewal: Renewal | null
}
export type Name = TemplateRow
export type StoredAnswer = AnswerRow

/** How many versions of a name are kept, and how long without use. */
export type Rule = Pick<Name, 'keepVersions' | 'expiresIn'>

/** A name together with what it means now. */
export interface Template extends Rule {
  name: string
  teamId: string
  platform: boolean
  version: Version
}

export interface KeyStore {
  insert(key: Key): Promise<void>
  byHash(hash: string): Promise<Key | undefined>
  /** The keys that are not revoked, newest first. */
  list(teamId: string): Promise<Key[]>
  used(id: string, at: string): Promise<void>
  /** @returns whether there was such a key, not yet revoked */
  revoke(which: { teamId: string; id: string; at: string }): Promise<boolean>
}

export interface NameStore {
  find(teamId: string, name: string): Promise<Name | undefined>
  insert(name: Name): Promise<void>
  /** Makes the name mean a version, or nothing. */
  point(id: string, versionId: string | null): Promise<void>
  /** Sets what of the rule is given. */
  rule(id: string, rule: Partial<Rule>): Promise<void>
  get(id: string): Promise<Name | undefined>
  /** Those whose versions expire, of all teams. */
  expiring(): Promise<Name[]>
  /** Frees the name at once: its row is kept, under a name that nobody can give, for the versions that linger. */
  bury(id: string): Promise<void>
  /** Removes the name when no version at all is left of it. */
  removeIfUnused(id: string): Promise<void>
}

export interface TemplateStore {
  find(teamId: string, name: string): Promise<Template | undefined>
  /** What is shown to a team: what its own names and those of `platformId` mean, newest first. */
  list(teamIds: readonly string[]): Promise<Template[]>
}

/** What becomes known of a version when it is ready. */
export type Ready = Pick<Version, 'vcpus' | 'memoryMb' | 'sizeBytes' | 'metadata' | 'createdAt'>

export interface VersionStore {
  insert(version: Version): Promise<void>
  get(id: string): Promise<Version | undefined>
  /** Those that are being made, of one name or of all. */
  pending(templateId?: string): Promise<Version[]>
  /** The ready ones of a name, newest first. */
  kept(templateId: string): Promise<Version[]>
  /** The ready one of a name that has this number. */
  numbered(templateId: string, number: number): Promise<Version | undefined>
  /** The ready one that is this snapshot, or this image, of a host. */
  byRef(ref: string): Promise<Version | undefined>
  /** The ready one whose files were compared with their digests the longest ago. */
  leastChecked(): Promise<Version | undefined>
  /** Marks a version ready and gives it the next number of its name. */
  ready(id: string, facts: Ready): Promise<void>
  /** Gives a version to another name. */
  rehome(id: string, templateId: string): Promise<void>
  used(id: string, at: string): Promise<void>
  /** Says what is wrong with its files; null: nothing. */
  mark(id: string, damage: string | null): Promise<void>
  checked(id: string, at: string): Promise<void>
  retire(id: string): Promise<void>
  /** Retired versions from which no capsule is starting. */
  removable(): Promise<Version[]>
  remove(id: string): Promise<void>
  /** The snapshots whose files have to be on the hosts. */
  snapshotIds(): Promise<string[]>
  /** How many ready ones there are, and the bytes that they alone occupy. */
  totals(): Promise<{ count: number; bytes: number }>
}

export interface CapsuleStore {
  insert(capsule: Capsule): Promise<void>
  find(teamId: string, id: string): Promise<Capsule | undefined>
  /** Whoever owns it: only for what is open to those who know the id. */
  ofAnyTeam(id: string): Promise<Capsule | undefined>
  /** The team's capsules that are neither stopped nor in error, newest first. */
  listAlive(teamId: string): Promise<Capsule[]>
  /** Those that are starting, running, or have an operation under way, of all teams. */
  unsettled(): Promise<Capsule[]>
  /** The pauses whose files have to be on the hosts. */
  pauses(): Promise<string[]>
  /**
   * Changes the status, if the move is legal from the present one; ends the operation under way. With the last statuses the
   * capsule's variables go.
   * @returns false, with nothing changed, where it is not legal
   */
  move(id: string, name: MoveName, facts?: MoveFacts): Promise<boolean>
  /** @returns false, with nothing changed, where the operation may not begin now */
  begin(id: string, operation: Operation): Promise<boolean>
  /** Ends the operation, the status staying as it is. Does nothing when it is not under way. */
  end(id: string, operation: Operation): Promise<void>
  active(id: string, at: string): Promise<void>
  /** Says what it may reach, and ends the operation `network`. @returns false, with nothing changed, where that is not under way */
  reach(id: string, network: NetworkPolicy): Promise<boolean>
  /** How many there are in each status but the last ones, of all teams. */
  countAlive(): Promise<{ status: CapsuleStatus; count: number }[]>
}

/** A change of a capsule's status. */
export interface Change {
  /** As it is now. */
  capsule: Capsule
  from: CapsuleStatus
  move: MoveName
}

export type MoveFacts = Partial<
  Pick<Capsule, 'reason' | 'diskSizeMb' | 'startedAt' | 'lastActiveAt' | 'snapshotId' | 'renewal'>
>

export interface AnswerStore {
  find(keyId: string, idempotencyKey: string): Promise<StoredAnswer | undefined>
  /** Puts the answer in the place of any that was there under the same key. */
  put(answer: StoredAnswer): Promise<void>
  remove(keyId: string, idempotencyKey: string): Promise<void>
  /** When the oldest was given. */
  oldest(): Promise<string | undefined>
  /** Removes what was given at that time or before. */
  forget(until: string): Promise<void>
}

export type Sample = SampleRow
export type Load = LoadRow
export type Day = DayRow

/** A period, its end excluded; in seconds since 1970. */
export interface Period {
  from: number
  to: number
}

/** What capsules used, and what teams reserved. */
export interface MeterStore {
  addSamples(samples: readonly Sample[]): Promise<void>
  /** A capsule's samples, the oldest first; averages over steps of so many seconds. */
  samples(capsuleId: string, period: Period, step: number): Promise<Omit<Sample, 'capsuleId'>[]>
  /** Raises what is there to what is given. */
  raiseLoads(loads: readonly Load[]): Promise<void>
  /** A team's loads of one step, the oldest first. */
  loads(teamId: string, step: number, period: Period): Promise<Load[]>
  /** Adds to the sums of days. */
  addDays(days: readonly Day[]): Promise<void>
  /** The sums of a team's days, both ends included, the oldest first. */
  days(teamId: string, from: string, to: string): Promise<Day[]>
  /** Until when what teams reserve is accounted for, in milliseconds since 1970; undefined: nothing ever was. */
  accountedUntil(): Promise<number | undefined>
  accounted(until: number): Promise<void>
  /** Removes what is older than is kept. */
  forget(before: { samples: number; loads: readonly { step: number; at: number }[]; day: string }): Promise<void>
}

export interface Store {
  /** The team that exists from the start, and the one that owns the platform's templates. */
  readonly teams: { readonly defaultId: string; readonly platformId: string }
  readonly keys: KeyStore
  readonly names: NameStore
  readonly templates: TemplateStore
  readonly versions: VersionStore
  readonly capsules: CapsuleStore
  readonly answers: AnswerStore
  readonly meter: MeterStore
  /**
   * Runs `work` in one serializable transaction: all of it happens or, when it throws, nothing. `work` has to use the
   * store that it is given and no other, and must not wait for anything else meanwhile.
   */
  transaction<T>(work: (store: Store) => Promise<T>): Promise<T>
  /**
   * Registers what is done once the transaction is committed: after everything of those that were committed before it.
   * Outside of a transaction that is at once. It must not throw.
   */
  afterCommit(work: () => void): void
  /** Registers what is told of every change of a capsule's status, like what is done after its commit. */
  onChange(listener: (change: Change) => void): void
  close(): Promise<void>
}
