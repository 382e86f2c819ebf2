/** What capsules use: one of them, and all of a team's. */
import { z } from 'zod'
import { timestampSchema } from './common.js'
import { idSchema } from './ids.js'

export const metricsRanges = ['5m', '10m', '1h', '2h', '6h', '12h', '24h'] as const
export type MetricsRange = (typeof metricsRanges)[number]

export const metricsQuerySchema = z.object({ range: z.enum(metricsRanges).default('10m') })

export const metricsSchema = z.object({
  sandbox_id: idSchema('capsule'),
  range: z.enum(metricsRanges),
  points: z.array(
    z.object({
      timestamp_unix: z.int(),
      cpu_pct: z.number().describe('0 to 100, of all its vCPUs together.'),
      mem_bytes: z.int().describe('Memory of the host that is in use for it alone.'),
      disk_bytes: z.int().describe('What its own disk layers occupy.'),
    }),
  ),
})
export type MetricsBody = z.infer<typeof metricsSchema>

export const statsRanges = ['5m', '1h', '6h', '24h', '30d'] as const
export type StatsRange = (typeof statsRanges)[number]

export const statsQuerySchema = z.object({ range: z.enum(statsRanges).default('1h') })

export const statsSchema = z.object({
  range: z.enum(statsRanges),
  current: z.object({ running_count: z.int(), vcpus_reserved: z.int(), memory_mb_reserved: z.int() }),
  peaks: z
    .object({ running_count: z.int(), vcpus: z.int(), memory_mb: z.int() })
    .describe('The most at any time of the last 30 days.'),
  series: z
    .object({
      labels: z.array(timestampSchema),
      running: z.array(z.int()),
      vcpus: z.array(z.int()),
      memory_mb: z.array(z.int()),
    })
    .describe('Arrays of the same length.'),
})
export type StatsBody = z.infer<typeof statsSchema>

/** The most days that one answer covers. */
export const MOST_USAGE_DAYS = 366

const daySchema = z.iso.date().meta({ examples: ['2026-01-02'] })

export const usageQuerySchema = z.object({
  from: daySchema.optional().describe('The first day. Default: 30 days before `to`.'),
  to: daySchema.optional().describe('The last day. Default: today.'),
})

export const usageSchema = z.object({
  from: daySchema,
  to: daySchema,
  points: z.array(
    z.object({
      date: daySchema,
      cpu_minutes: z.number().describe('vCPUs times the minutes that they were there.'),
      ram_mb_minutes: z.number().describe('Memory in MiB times the minutes that it was there.'),
    }),
  ),
})
export type UsageBody = z.infer<typeof usageSchema>
