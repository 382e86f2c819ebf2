/** What the doctor looks at. */
import { join } from 'node:path'
import { inspectStore, type StoreReport } from '@wrenn/server'
import { defaultDataDir } from '../data-dir.js'
import { readSettings, type Settings } from '../up/settings.js'

export interface Subject {
  /** The settings, or what is wrong with them. */
  settings: Settings | Error
  dataDir: string
  uid: number | undefined
  isRoot: boolean
  store: StoreReport
  /** Whether to leave out what takes long. */
  isQuick: boolean
  /** Whether to boot a guest even where that was done since the machine's start. */
  boots: boolean
  /** Ends what takes long. */
  signal: AbortSignal
  /** Told of what takes long, in words. */
  onProgress: (text: string) => void
}

export type Wishes = Pick<Subject, 'isQuick' | 'boots' | 'signal' | 'onProgress'>

/** Reads the settings and looks into the store, which is free again when this resolves. */
export async function subjectOf(env: NodeJS.ProcessEnv, wishes: Wishes): Promise<Subject> {
  const uid = process.getuid?.()
  const dataDir = defaultDataDir(env, uid)
  const store = await inspectStore(storeFile(dataDir), async (report) => report)
  return { ...wishes, uid, isRoot: uid === 0, dataDir, store, settings: settingsOrError(env) }
}

/** Where the database of a data directory is. */
export const storeFile = (dataDir: string) => join(dataDir, 'wrenn.db')

function settingsOrError(env: NodeJS.ProcessEnv): Settings | Error {
  try {
    return readSettings(env)
  } catch (error) {
    return error as Error
  }
}
