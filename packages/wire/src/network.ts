/** What a capsule may reach. */
import { z } from 'zod'
import { defaulted } from './common.js'

// Both cases are written out: JSON Schema has no flag for that.
const DOMAIN = /^(\*\.)?([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)*[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$/
const NO_NUMBER = /[^0-9.]/
const MOST_DESTINATIONS = 256

/** An IPv4 address or range, or a domain name; with `*.` before it, all names below it and not itself. */
export const destinationSchema = z
  .union(
    [z.cidrv4(), z.ipv4(), z.string().max(253).regex(DOMAIN).regex(NO_NUMBER)],
    'must be an IPv4 address, a range such as 203.0.113.0/24, or a domain name such as example.org or *.example.org',
  )
  .meta({ examples: ['203.0.113.0/24', 'example.org', '*.example.org'] })

const destinations = z.array(destinationSchema).max(MOST_DESTINATIONS)

export const networkSchema = z.object({
  internet: defaulted(z.boolean(), true).describe('Whether what neither list names may be reached.'),
  allow: defaulted(destinations, []).describe(
    'What may be reached all the same. Nothing here opens private addresses: those the operator opens.',
  ),
  deny: defaulted(destinations, []).describe('What may not be reached, whatever else is said.'),
})
/** `deny` comes before `allow`, and `allow` before `internet`. */
export type NetworkPolicy = z.output<typeof networkSchema>

/** What a capsule may reach when nothing is said. */
export const openNetwork: NetworkPolicy = { internet: true, allow: [], deny: [] }

export const networkBodySchema = z.object({
  internet: z.boolean(),
  allow: z.array(z.string()),
  deny: z.array(z.string()),
})
