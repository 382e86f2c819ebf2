/** The settings of a server, from the environment. */
import { fileURLToPath } from 'node:url'
import type { Reserves } from '@wrenn/host'
import { keyForm } from '@wrenn/wire'
import { z } from 'zod'
import type { NetworkSettings } from '@wrenn/host'
import { defaultDataDir } from '../data-dir.js'
import { amount, factor, listen, origins, path, proxies, rate, templates } from './forms.js'
import { networkSettings, networkVariables } from './network.js'

/** Where `cargo build` puts the agent. */
const BUILT_AGENT = fileURLToPath(
  new URL('../../../../agent/target/x86_64-unknown-linux-gnu/release/wrenn-agent', import.meta.url),
)

const known = z.object({
  WRENN_LISTEN: listen.prefault('127.0.0.1:8080'),
  WRENN_DATA_DIR: path.optional(),
  WRENN_API_KEY: z.string().regex(keyForm, 'must be "wrn_" and 32 hex digits in lower case').optional(),
  WRENN_AGENT: path.default(BUILT_AGENT),
  WRENN_PROXY_AUTH: z.enum(['true', 'false'], 'must be true or false').default('false'),
  WRENN_METRICS_TOKEN: z.string().min(16, 'must be at least 16 characters').optional(),
  WRENN_TEMPLATES: templates.optional(),
  WRENN_ACCELERATOR: z.enum(['auto', 'kvm', 'tcg'], 'must be auto, kvm or tcg').default('auto'),
  WRENN_RATE_LIMIT: rate.prefault('0'),
  WRENN_TRUSTED_PROXIES: proxies.prefault(''),
  WRENN_CORS_ORIGINS: origins.prefault(''),
  WRENN_TLS_CERT: path.optional(),
  WRENN_TLS_KEY: path.optional(),
  WRENN_MEMORY_OVERCOMMIT: factor.optional(),
  WRENN_MEMORY_RESERVE_MB: amount.optional(),
  WRENN_DISK_RESERVE_MB: amount.optional(),
  ...networkVariables,
})

type Known = z.output<typeof known>

/** The variables that are settings of a server. */
export const settingNames: readonly string[] = Object.keys(known.shape)

/** Settings of the clients, which may be in the same environment. */
const ofClients = ['WRENN_BASE_URL', 'WRENN_PROXY_DOMAIN']

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
  /** The most requests of one key within a minute; undefined: any number. */
  rateLimit: number | undefined
  /** Addresses and CIDR ranges of proxies whose word on clients is taken. */
  trustedProxies: string[]
  /** The origins whose pages may use the API from a browser. */
  origins: string[]
  /** What the host leaves free of the machine. */
  reserves: Reserves
  /** The files of the certificate and its key; undefined: plain HTTP. */
  tls: { cert: string; key: string } | undefined
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
  const names = settingNames
  const unknown = ours.filter(([name]) => !names.includes(name) && !ofClients.includes(name))
  const parsed = known.safeParse(Object.fromEntries(ours))
  const problems = [
    ...unknown.map(([name]) => `${name}: there is no such setting (there are ${names.join(', ')})`),
    ...(parsed.error?.issues ?? []).map(({ path, message }) => `${String(path[0])}: ${message}`),
    ...halves(Object.fromEntries(ours)),
  ]
  if (problems.length > 0 || !parsed.data) throw new SettingsError(problems)
  return { dataDir: defaultDataDir(env, uid), ...toSettings(parsed.data) }
}

/** A certificate is of no use without its key, and the other way round. */
function halves({ WRENN_TLS_CERT: cert, WRENN_TLS_KEY: key }: NodeJS.ProcessEnv): string[] {
  if ((cert === undefined) === (key === undefined)) return []
  return [
    cert === undefined ? 'WRENN_TLS_CERT: it belongs to WRENN_TLS_KEY' : 'WRENN_TLS_KEY: it belongs to WRENN_TLS_CERT',
  ]
}

function toSettings(given: Known): Omit<Settings, 'dataDir'> {
  const { WRENN_TLS_CERT: cert, WRENN_TLS_KEY: key } = given
  return {
    listen: given.WRENN_LISTEN,
    firstKey: given.WRENN_API_KEY,
    agent: given.WRENN_AGENT,
    templates: given.WRENN_TEMPLATES,
    accelerator: given.WRENN_ACCELERATOR,
    proxyAuth: given.WRENN_PROXY_AUTH === 'true',
    metricsToken: given.WRENN_METRICS_TOKEN,
    rateLimit: given.WRENN_RATE_LIMIT,
    trustedProxies: given.WRENN_TRUSTED_PROXIES,
    origins: given.WRENN_CORS_ORIGINS,
    reserves: {
      memoryOvercommit: given.WRENN_MEMORY_OVERCOMMIT,
      memoryReserveMb: given.WRENN_MEMORY_RESERVE_MB,
      diskReserveMb: given.WRENN_DISK_RESERVE_MB,
    },
    tls: cert !== undefined && key !== undefined ? { cert, key } : undefined,
    network: networkSettings(given),
  }
}
