/** The checks of the settings. */
import { access } from 'node:fs/promises'
import { request as plainRequest } from 'node:http'
import { request as secureRequest } from 'node:https'
import { checkPort, failure, ok, skipped, type Outcome } from '@wrenn/host/doctor'
import { SettingsError } from '../up/settings.js'
import type { Subject } from './subject.js'

const PATIENCE_MS = 3_000

/** Whether the environment holds settings that can be used. */
export function checkSettings({ settings }: Pick<Subject, 'settings'>): Outcome {
  if (!(settings instanceof Error)) return ok('can be used')
  const items = settings instanceof SettingsError ? settings.problems : [settings.message]
  return failure(`${items.length} of the settings are wrong.`, { items, fix: 'Correct those WRENN_ variables.' })
}

/** Whether the agent that goes into the images is there. */
export async function checkAgent({ settings }: Pick<Subject, 'settings'>): Promise<Outcome> {
  if (settings instanceof Error) return skipped('the settings are wrong')
  const { agent } = settings
  return access(agent).then(
    () => ok(agent),
    () => failure(`There is no agent at ${agent}.`, { fix: 'npm run setup builds it; WRENN_AGENT names another.' }),
  )
}

/** Whether the address to serve at is free, or served by Wrenn. */
export async function checkListen({ settings }: Pick<Subject, 'settings'>): Promise<Outcome> {
  if (settings instanceof Error) return skipped('the settings are wrong')
  const { listen, tls } = settings
  return checkPort(listen, () => isWrenn(listen, tls !== undefined))
}

/** Whether what listens there answers as a Wrenn server does. */
function isWrenn({ host, port }: { host: string; port: number }, isSecure: boolean): Promise<boolean> {
  const signal = AbortSignal.timeout(PATIENCE_MS)
  // Whoever listens on all addresses is reached at this machine's own.
  const at = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return new Promise((resolve) => {
    const asked = { host: at, port, path: '/health', signal, agent: false } as const
    const asking = isSecure ? secureRequest({ ...asked, rejectUnauthorized: false }) : plainRequest(asked)
    asking.once('response', (response) => {
      response.resume()
      resolve(/^req-[0-9a-f]{16}$/.test(String(response.headers['x-request-id'])))
    })
    asking.once('error', () => resolve(false))
    asking.end()
  })
}
