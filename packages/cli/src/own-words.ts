/** A capsule's own, as people read it. What came out of the capsule is not trusted with the terminal. */
import type { CapsuleBody, HookResult, Renewal } from 'wrenn'

type Network = NonNullable<CapsuleBody['network']>

/** The same with its network and its renewal in words. */
export function inWords({ network, renewal, ...info }: CapsuleBody): object {
  return {
    ...info,
    ...(network ? { network: networkInWords(network) } : {}),
    ...(renewal ? { renewed: renewedInWords(renewal) } : {}),
    ...(renewal && renewal.hooks.length > 0 ? { hooks: renewal.hooks.map(hookInWords).join('; ') } : {}),
  }
}

/** What may be reached: `the internet, without example.org`. */
export function networkInWords({ internet, allow, deny }: Network): string {
  const named = allow.join(', ')
  const open = internet ? ['the internet', ...(named ? [named] : [])].join(' and ') : named && `only ${named}`
  if (!open) return 'nothing'
  return deny.length > 0 ? `${open}, without ${deny.join(', ')}` : open
}

function renewedInWords({ at, renewed, clock_offset_ms: offset }: Renewal): string {
  const parts = renewed.map((one) => (one === 'clock' ? `clock (${offset} ms off)` : one.replaceAll('_', ' ')))
  return `${parts.join(', ')} at ${at}`
}

function hookInWords({ name, exit_code: code, timed_out: isLate, duration_ms: took, output }: HookResult): string {
  const end = isLate ? 'did not end in time' : code === undefined ? 'could not be started' : `exit code ${code}`
  const [last = ''] = output.trimEnd().split('\n').slice(-1)
  const said = code === 0 || last === '' ? '' : `: ${plain(last)}`
  return `${plain(name)} ${end} (${took} ms)${said}`
}

function plain(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '')
}
