/** Goes through the checks. */
import { failure, reasonOf } from '@wrenn/host/doctor'
import { checks, type Check } from './table.js'
import type { Finding, Report } from './shape.js'
import type { Subject } from './subject.js'

/** Runs every check, one after the other: some measure. @throws the signal's reason */
export async function examine(subject: Subject, all: readonly Check[] = checks): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const check of all) {
    const onProgress = (text: string) => subject.onProgress(`${check.number} ${check.title}: ${text}`)
    findings.push(await find(check, { ...subject, onProgress }))
    subject.signal.throwIfAborted()
  }
  return findings
}

/** A check that fails itself is a finding too, and keeps nobody from the others. */
async function find({ number, title, run }: Check, subject: Subject): Promise<Finding> {
  try {
    return { number, title, ...(await run(subject)) }
  } catch (error) {
    const outcome = failure(`It could not be checked (${reasonOf(error)}).`, {
      fix: 'Try again as the user whose the server is. If it stays, report it with what this says.',
    })
    return { number, title, ...outcome }
  }
}

/** How many findings there are of each status. */
export function summarise(findings: readonly Finding[]): Report['summary'] {
  const summary = { ok: 0, warning: 0, error: 0, skipped: 0 }
  for (const { status } of findings) summary[status]++
  return summary
}

/** 2 with errors, 1 with warnings where those count, else 0. */
export function exitCodeOf({ error, warning }: Report['summary'], isStrict: boolean): number {
  return error > 0 ? 2 : isStrict && warning > 0 ? 1 : 0
}
