/** Takes secrets out of text. Parts choose what they give by lists of what is none; this comes after that. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { shown } from './setting-names.js'

const HIDDEN = '[hidden]'
/** What is shorter is found everywhere, and hides nothing. */
const SHORTEST = 6

const forms: readonly { form: RegExp; by: string }[] = [
  // Keys of the API, whole or cut.
  { form: /wrn_[0-9a-f]{6,}/g, by: HIDDEN },
  { form: /-----BEGIN [A-Z ]+-----[^]*?(?:-----END [A-Z ]+-----|$)/g, by: HIDDEN },
  { form: /\b(Bearer|Basic)\s+[\w+/=.~-]{4,}/gi, by: `$1 ${HIDDEN}` },
  // Users and passwords in URLs.
  { form: /:\/\/[^\s/@"']+@/g, by: `://${HIDDEN}@` },
  // An assignment to what is called like a secret.
  {
    form: /((?:password|passwd|secret|token|api[-_]?key|credential)[\w-]*["']?\s*[=:]\s*["']?)[^\s"',;}]+/gi,
    by: `$1${HIDDEN}`,
  },
]

/** What is known to be secret here: what settings say that are not shown, and the data directory's own secrets. */
export async function secretsOf(dataDir: string, environments: readonly NodeJS.ProcessEnv[]): Promise<Buffer[]> {
  const settings = environments.flatMap((env) =>
    Object.entries(env).flatMap(([name, value]) =>
      name.startsWith('WRENN_') && !shown.includes(name) && value !== undefined ? [Buffer.from(value)] : [],
    ),
  )
  const read = (name: string) => readFile(join(dataDir, name)).catch(() => Buffer.alloc(0))
  const [sealing, key] = await Promise.all([read('secret.key'), read('api-key')])
  return [...settings, sealing, Buffer.from(key.toString('latin1').trim())].filter(({ length }) => length >= SHORTEST)
}

/** Hides those secrets, in whichever form they stand, and whatever looks like one. */
export function redactor(secrets: readonly Buffer[]): (text: string) => string {
  const known = secrets.flatMap((secret) => [
    secret.toString('utf8'),
    secret.toString('hex'),
    secret.toString('base64').replace(/=+$/, ''),
    secret.toString('base64url'),
    encodeURIComponent(secret.toString('utf8')),
  ])
  return (text) => {
    const without = known.reduce((rest, one) => rest.replaceAll(one, HIDDEN), text)
    return forms.reduce((rest, { form, by }) => rest.replace(form, by), without)
  }
}

/** A message without what it quotes, which may be of a user, and without long words, which may be secrets. */
export function withoutQuotes(text: string): string {
  return text
    .replace(/"[^"]*"|`[^`]*`|(?<!\w)'[^']*'/g, '"…"')
    .replace(/[\w+/=.-]{24,}/g, (word) => (isPlain(word) ? word : '…'))
}

/** Ids of ours, which are in everything that a bundle says, and names of errors. */
function isPlain(word: string): boolean {
  return /^(?:[a-z]{2,4}-[0-9a-z]{25}|[A-Za-z]+(?:[._-][A-Za-z]+)*)$/.test(word)
}
