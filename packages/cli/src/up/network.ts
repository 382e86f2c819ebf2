/** The settings of the capsules' networks. */
import { isIP } from 'node:net'
import { networkDefaults, type NetworkSettings } from '@wrenn/host'
import { z } from 'zod'

const FEWEST_ADDRESSES_PREFIX = 26

const listOf = <T extends z.ZodType<string, string>>(item: T, what: string) =>
  z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .pipe(z.array(item, `must be ${what} with commas between them`))

const range = z.union([z.cidrv4(), z.ipv4()], 'must be addresses or ranges, like 10.1.0.0/16, with commas between them')
const resolver = z.string().refine((text) => {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:]+))(?::\d{1,5})?$/.exec(text) ?? []
  return isIP(bracketed ?? plain ?? text) > 0
}, 'must be addresses, like 192.0.2.53 or 192.0.2.53:5353, with commas between them')

export const networkVariables = {
  WRENN_NETWORK: z.enum(['auto', 'on', 'off'], 'must be auto, on or off').default('auto'),
  WRENN_NETWORK_POOL: z
    .cidrv4('must be a range of IPv4, like 10.213.0.0/16')
    .refine((pool) => Number(pool.split('/')[1]) <= FEWEST_ADDRESSES_PREFIX, 'must be a /26 or larger')
    .default(networkDefaults.pool),
  WRENN_NETWORK_READY: z
    .string()
    .regex(/^\d{1,3}$/, 'must be a number of up to three digits')
    .transform(Number)
    .default(networkDefaults.ready),
  WRENN_NETWORK_ALLOW: listOf(range, 'ranges').default([]),
  WRENN_NETWORK_DNS: listOf(resolver, 'addresses').optional(),
}

type Variables = z.output<z.ZodObject<typeof networkVariables>>

/** The settings that the variables say. */
export function networkSettings(variables: Variables): NetworkSettings {
  return {
    mode: variables.WRENN_NETWORK,
    pool: variables.WRENN_NETWORK_POOL,
    ready: variables.WRENN_NETWORK_READY,
    allow: variables.WRENN_NETWORK_ALLOW,
    resolvers: variables.WRENN_NETWORK_DNS,
  }
}
