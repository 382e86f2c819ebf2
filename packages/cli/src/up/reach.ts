/** Who can reach the server, and what there has to be before others can. */
import { hasUsableKey, isLoopback, type Store } from '@wrenn/server'
import { SettingsError, type Settings } from './settings.js'

type Reach = Pick<Settings, 'listen' | 'firstKey' | 'tls' | 'trustedProxies'>

/** Whether only this machine reaches it. */
export function isLocal({ listen: { host } }: Pick<Settings, 'listen'>): boolean {
  return isLoopback(host)
}

/**
 * A key that is made and shown at a first start is for whoever sits at this machine: where others reach the server, there is to be one before.
 * @throws {SettingsError}
 */
export async function assertKeyed(settings: Reach, store: Store): Promise<void> {
  if (isLocal(settings) || settings.firstKey !== undefined || (await hasUsableKey(store))) return
  throw new SettingsError([
    `WRENN_LISTEN: other machines reach ${settings.listen.host}, and no API key is usable here. ` +
      'Start once with WRENN_LISTEN=127.0.0.1:8080, which makes one, or set WRENN_API_KEY',
  ])
}

/** What an operator should know of how the server is reached. */
export function warningOf(settings: Reach): string | undefined {
  if (isLocal(settings) || settings.tls || settings.trustedProxies.length > 0) return undefined
  return (
    `Other machines reach ${settings.listen.host}, and neither TLS (WRENN_TLS_CERT, WRENN_TLS_KEY) nor a proxy with it ` +
    '(WRENN_TRUSTED_PROXIES) is set: keys and all that capsules say can be read on the way.'
  )
}
