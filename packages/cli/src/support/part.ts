/** What a bundle is made of. */
import type { OwnProcess } from '@wrenn/host/doctor'
import type { Subject } from '../doctor/subject.js'

/** What the parts look at. */
export interface Case {
  subject: Subject
  dataDir: string
  /** The environment that settings are read from: the server's where one runs and may be looked at, else this command's. */
  env: NodeJS.ProcessEnv
  /** Whose environment that is. */
  envOf: 'server' | 'command'
  processes: readonly OwnProcess[]
  /** The file of the server's log, where it is known. */
  logFile: string | undefined
  /** Where the server answers. */
  url: string | undefined
  /** Whether names of templates are given as they are. */
  showsNames: boolean
  version: string
  /** Aborts when the part takes too long. */
  signal: AbortSignal
}

export interface Entry {
  /** The file's name in the bundle. */
  name: string
  content: string
}

/** What a part found. */
export interface Found {
  entries: Entry[]
  /** What it left out, and why; a line each. */
  leftOut?: string[]
}

export interface Part {
  name: string
  /** What it gives, in words; shown in the index. */
  about: string
  /** How long it may take, in milliseconds. */
  patienceMs?: number
  collect(about: Case): Promise<Found>
}

/** A value as a file of JSON. */
export const json = (name: string, value: unknown): Entry => ({ name, content: `${JSON.stringify(value, null, 2)}\n` })
