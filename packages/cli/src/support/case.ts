/** Finds out what a bundle is to be about. */
import { readFile, readlink, stat } from 'node:fs/promises'
import { processesFor, type OwnProcess } from '@wrenn/host/doctor'
import { subjectOf, type Wishes } from '../doctor/subject.js'
import type { Case } from './part.js'

export interface AskedFor {
  env: NodeJS.ProcessEnv
  wishes: Wishes
  /** What was named by whoever asks. */
  log: string | undefined
  url: string | undefined
  names: boolean
  version: string
}

export async function caseOf({ env, wishes, log, url, names, version }: AskedFor): Promise<Case> {
  const subject = await subjectOf(env, wishes)
  const { dataDir } = subject
  const processes = await processesFor(dataDir).catch(() => [])
  const server = processes.find(({ what }) => what === 'server')
  const theirs = server && (await environmentOf(server))
  return {
    ...{ subject, dataDir, processes, version },
    env: theirs ?? env,
    envOf: theirs ? 'server' : 'command',
    logFile: log ?? (server && (await logOf(server))),
    url: url ?? ownUrl(theirs ?? env),
    showsNames: names,
    signal: wishes.signal,
  }
}

/** The settings that a process was started with; undefined when this user may not see them. */
async function environmentOf({ pid }: OwnProcess): Promise<NodeJS.ProcessEnv | undefined> {
  const text = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
  if (text === '') return undefined
  const pairs = text.split('\0').map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)])
  return Object.fromEntries(pairs.filter(([name]) => name!.startsWith('WRENN_'))) as NodeJS.ProcessEnv
}

/** The file that its errors go to; undefined where that is none. */
async function logOf({ pid }: OwnProcess): Promise<string | undefined> {
  const file = await readlink(`/proc/${pid}/fd/2`).catch(() => '')
  const facts = await stat(file).catch(() => undefined)
  return facts?.isFile() ? file : undefined
}

/** Undefined where the system was to choose a port. */
function ownUrl(env: NodeJS.ProcessEnv): string | undefined {
  const [, host = '127.0.0.1', port = '8080'] = /^(.*):(\d+)$/.exec(env['WRENN_LISTEN'] || '127.0.0.1:8080') ?? []
  if (port === '0') return undefined
  // Whoever listens on all addresses is reached at this machine's own.
  const at = host === '0.0.0.0' ? '127.0.0.1' : host === '[::]' ? '[::1]' : host
  return `${env['WRENN_TLS_CERT'] ? 'https' : 'http'}://${at}:${port}`
}
