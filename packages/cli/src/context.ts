/** What every command stands on: the client, and ways to show results. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Command } from 'commander'
import { Wrenn } from 'wrenn'
import { defaultDataDir } from './data-dir.js'
import type { Terminal } from './shell/terminal.js'

/** The outside world of one run of the CLI. */
export interface World {
  env: NodeJS.ProcessEnv
  stdin: Readable
  stdout: NodeJS.WritableStream
  stderr: NodeJS.WritableStream
  /** Aborts at Ctrl-C, or when this program is to end. */
  signal: AbortSignal
  /** The terminal on both ends; absent where there is none. */
  terminal?: Terminal
  /** Puts a yes-or-no question to the person at the terminal; absent where there is none. */
  ask?: (question: string) => Promise<boolean>
}

/** Sets what the CLI ends with. */
export type SetExitCode = (code: number) => void

interface Options {
  url?: string
  key?: string
  json?: boolean
}

/** Where the API is, for what goes past the client. */
export interface Api {
  baseUrl: string
  apiKey: string | undefined
}

export interface Context extends World {
  client: Wrenn
  api: Api
  /** Whether results are wanted as JSON. */
  json: boolean
  /** Shows a result: as JSON where that was asked for, else as `text` says. */
  show(value: unknown, text: () => string): void
}

/** The context of a command that is being run. */
export function contextOf(command: Command, world: World): Context {
  const { url, key, json = false } = command.optsWithGlobals<Options>()
  const { env, stdout } = world
  const scheme = env['WRENN_TLS_CERT'] ? 'https' : 'http'
  const own = `${scheme}://${env['WRENN_LISTEN'] || '127.0.0.1:8080'}/api`
  const baseUrl = (url ?? env['WRENN_BASE_URL'] ?? own).replace(/\/+$/, '')
  const api = { baseUrl, apiKey: key ?? env['WRENN_API_KEY'] ?? keptKey(env) }
  const client = new Wrenn({ ...api, proxyDomain: env['WRENN_PROXY_DOMAIN'] || undefined })
  const show = (value: unknown, text: () => string) => {
    const shown = json ? JSON.stringify(value, null, 2) : text()
    if (shown) stdout.write(`${shown}\n`)
  }
  return { ...world, client, api, json, show }
}

/** The key that the server on this machine keeps. */
function keptKey(env: NodeJS.ProcessEnv): string | undefined {
  try {
    return readFileSync(join(defaultDataDir(env, process.getuid?.()), 'api-key'), 'utf8').trim()
  } catch {
    return undefined
  }
}
