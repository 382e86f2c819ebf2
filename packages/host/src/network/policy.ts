/** What a policy says of names. */
import type { NetworkPolicy } from '@wrenn/wire'
import type { Range } from './addresses.js'

/** A destination of digits, dots and perhaps a prefix is a range; every other is a name. */
const RANGE = /^[\d.]+(\/\d+)?$/

/** Takes destinations apart. Names are in lower case. */
export function split(destinations: readonly string[]): { ranges: Range[]; names: string[] } {
  return {
    ranges: destinations.filter((one) => RANGE.test(one)),
    names: destinations.filter((one) => !RANGE.test(one)).map((name) => name.toLowerCase()),
  }
}

/**
 * What becomes of a question for a name: `refuse` it, `answer` it, or answer it and `open` the addresses that it stands
 * for, because the policy allows the name.
 */
export type Verdict = 'refuse' | 'answer' | 'open'

/** Judges a name as it is in a question: without the last dot, in any case. */
export function judge(policy: NetworkPolicy, name: string): Verdict {
  const asked = name.toLowerCase().replace(/\.$/, '')
  const isIn = (list: readonly string[]) => split(list).names.some((entry) => covers(entry, asked))
  if (isIn(policy.deny)) return 'refuse'
  if (isIn(policy.allow)) return 'open'
  return policy.internet ? 'answer' : 'refuse'
}

/** Whether a policy is what it is when nothing is said. */
export function isOpen({ internet, allow, deny }: NetworkPolicy): boolean {
  return internet && allow.length === 0 && deny.length === 0
}

/** Whether all addresses that names of one policy have opened may stay open under another. */
export function keepsNamed(before: NetworkPolicy, after: NetworkPolicy): boolean {
  const kept = new Set(split(after.allow).names)
  const denied = new Set(split(before.deny).names)
  return (
    split(before.allow).names.every((name) => kept.has(name)) &&
    split(after.deny).names.every((name) => denied.has(name))
  )
}

function covers(entry: string, name: string): boolean {
  return entry.startsWith('*.') ? name.endsWith(entry.slice(1)) && name.length > entry.length - 1 : entry === name
}
