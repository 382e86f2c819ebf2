import { pino, type DestinationStream, type Logger } from 'pino'

/** What is never written down, wherever in what is logged it stands up to three levels deep. */
const secrets = [
  ...['key', 'apiKey', 'token', 'proxyToken', 'proxy_token', 'password', 'secret', 'envs', 'idempotencyKey'],
  ...['x-api-key', 'authorization', 'cookie', 'set-cookie', 'x-wrenn-token', 'idempotency-key'],
]

/** What a place in an object is called in the words of the library. */
const named = (path: string, name: string) =>
  name.includes('-') ? `${path}["${name}"]` : path ? `${path}.${name}` : name

/**
 * The log of a server and its host.
 * @param to where lines go. Default: standard error
 */
export function makeLogger({ level, to = pino.destination(2) }: { level: string; to?: DestinationStream }): Logger {
  const paths = ['', '*', '*.*'].flatMap((path) => secrets.map((name) => named(path, name)))
  return pino({ level, redact: { paths, censor: '[secret]' } }, to)
}
