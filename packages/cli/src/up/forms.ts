/** The forms of settings: text as values, or what is wrong with it. */
import { Peers } from '@wrenn/server'
import { z } from 'zod'

export const listen = z.string().transform((text, context) => {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) }
  context.addIssue('must be an address and a port, like 127.0.0.1:8080 or [::1]:8080')
  return z.NEVER
})

/** Words with commas between them. */
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== ''),
)

/** What capsules are created from by default, and what this machine is tried with. */
const ALWAYS = 'minimal'

export const templates = list.refine(
  (names) => names.includes(ALWAYS),
  `must be names with commas between them, ${ALWAYS} among them`,
)

export const proxies = list.refine(
  areRanges,
  'must be addresses and CIDR ranges with commas between them, like 10.0.0.2,192.168.7.0/24',
)

export const origins = list.refine(
  (all) => all.every(isOrigin),
  'must be origins with commas between them, like https://app.example.com; a path or * is none',
)

export const path = z.string().startsWith('/', 'must be an absolute path')

/** A count, of which 0 is none. */
export const rate = z
  .string()
  .regex(/^\d{1,9}$/, 'must be a whole number; 0 is no limit')
  .transform((text) => Number(text) || undefined)

/** A number of MiB; 0 is none. */
export const amount = z
  .string()
  .regex(/^\d{1,9}$/, 'must be a whole number of MiB')
  .transform(Number)

/** How many times something. */
export const factor = z
  .string()
  .regex(/^\d{1,3}(\.\d+)?$/, 'must be a number, like 4 or 1.5')
  .transform(Number)

function areRanges(all: string[]): boolean {
  try {
    return new Peers(all) instanceof Peers
  } catch {
    return false
  }
}

function isOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text
}
