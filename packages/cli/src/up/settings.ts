/** The settings of a server, from the environment. */
import { fileURLToPath } from 'node:url'
import { keyForm } from '@wrenn/wire'
import { z } from 'zod'
import type { NetworkSettings } from '@wrenn/host'
import { defaultDataDir } from '../data-dir.js'
import { networkSettings, networkVariables } from './network.js'

/** Where `cargo build` puts the agent. */
const BUILT_AGENT = fileURLToPath(
  new URL('../../../../agent/target/x86_64-unknown-linux-gnu/release/wrenn-agent', import.meta.url),
)

const listen = z.string().transform((text, context) => {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) }
  context.addIssue('must be an address and a port, like 127.0.0.1:8080 or [::1]:8080')
  return z.NEVER
})

/** What capsules are created from by default, and what this machine is tried with. */
const ALWAYS = 'minimal'

const templates = z
  .string()
  .transform((text) => text.split(',').map((name) => name.trim()))
  .refine((names) => names.includes(ALWAYS), `must be names with commas between them, ${ALWAYS} among them`)

const known = z.object({
  WRENN_LISTEN: listen.prefault('127.0.0.1:8080'),
  WRENN_DATA_DIR: z.string().startsWith('/', 'must be an absolute path').optional(),
  WRENN_API_KEY: z.string().regex(keyForm, 'must be "wrn_" and 32 hex digits in lower case').optional(),
  WRENN_AGENT: z.string().startsWith('/', 'must be an absolute path').default(BUILT_AGENT),
  WRENN_PROXY_AUTH: z.enum(['true', 'false'], 'must be true or false').default('false'),
  WRENN_METRICS_TOKEN: z.string().min(16, 'must be at least 16 characters').optional(),
  WRENN_TEMPLATES: templates.optional(),
  WRENN_ACCELERATOR: z.enum(['auto', 'kvm', 'tcg'], 'must be auto, kvm or tcg').default('auto'),
  ...networkVariables,
})

/** Settings of the clients, which may be in the same environment. */
const ofClients = ['WRENN_BASE_URL']

export interface Settings {
  listen: { host: string; port: number }
  dataDir: string
  /** What the first key of an empty data directory is to be. */
  firstKey: string | undefined
  agent: string
  /** The platform templates to offer. Default: all. */
  templates: string[] | undefined
  accelerator: 'auto' | 'kvm' | 'tcg'
  /** Whether ports of new capsules ask for a token where nothing is said. */
  proxyAuth: boolean
  /** What is to be shown for the metrics of the server. */
  metricsToken: string | undefined
  network: NetworkSettings
}

export class SettingsError extends Error {
  override readonly name = 'SettingsError'
  constructor(readonly problems: string[]) {
    super(`These settings are wrong:\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
  }
}

/**
 * Reads the settings. An empty variable counts as absent.
 *
 * @throws {SettingsError} with every problem at once; a WRENN_ variable that means nothing is one
 */
export function readSettings(env: NodeJS.ProcessEnv, uid = process.getuid?.()): Settings {
  const ours = Object.entries(env).filter(([name, value]) => name.startsWith('WRENN_') && value !== '')
  const names = Object.keys(known.shape)
  const unknown = ours.filter(([name]) => !names.includes(name) && !ofClients.includes(name))
  const parsed = known.safeParse(Object.fromEntries(ours))
  const problems = [
    ...unknown.map(([name]) => `${name}: there is no such setting (there are ${names.join(', ')})`),
    ...(parsed.error?.issues ?? []).map(({ path, message }) => `${String(path[0])}: ${message}`),
  ]
  if (problems.length > 0 || !parsed.data) throw new SettingsError(problems)
  const { WRENN_LISTEN, WRENN_API_KEY, WRENN_AGENT, WRENN_TEMPLATES, WRENN_ACCELERATOR } = parsed.data
  const { WRENN_PROXY_AUTH, WRENN_METRICS_TOKEN } = parsed.data
  return {
    listen: WRENN_LISTEN,
    dataDir: defaultDataDir(env, uid),
    firstKey: WRENN_API_KEY,
    agent: WRENN_AGENT,
    templates: WRENN_TEMPLATES,
    accelerator: WRENN_ACCELERATOR,
    proxyAuth: WRENN_PROXY_AUTH === 'true',
    metricsToken: WRENN_METRICS_TOKEN,
    network: networkSettings(parsed.data),
  }
}
