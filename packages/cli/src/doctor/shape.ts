/** What `wrenn doctor --json` prints. Fields are added, never renamed or removed. */
import { severities } from '@wrenn/host/doctor'
import { z } from 'zod'

export const findingSchema = z.object({
  /** `W001`: of the check, for ever. */
  number: z.string().regex(/^W\d{3}$/),
  /** What was looked at. */
  title: z.string(),
  status: z.enum(severities),
  /** What was found. */
  text: z.string(),
  /** What to do about it; of warnings and errors. */
  fix: z.string().optional(),
  /** Each thing that it is about. */
  items: z.array(z.string()).optional(),
})
export type Finding = z.infer<typeof findingSchema>

export const reportSchema = z.object({
  /** The product's version. */
  version: z.string(),
  data_dir: z.string(),
  /** Whether a server uses the data directory now. */
  serving: z.boolean(),
  /** How many findings there are of each status. */
  summary: z.object({ ok: z.int(), warning: z.int(), error: z.int(), skipped: z.int() }),
  findings: z.array(findingSchema),
  /** What `--fix` did. */
  fixed: z.array(z.string()),
})
export type Report = z.infer<typeof reportSchema>
