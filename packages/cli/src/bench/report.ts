/** The results as a table for people. */
import { bytes, table } from '../format.js'
import type { Conditions } from './conditions.js'
import type { Result } from './result.js'
import type { Unit } from './types.js'

export function report(conditions: Conditions, results: Result[]): string {
  const head = ['FIGURE', 'MEDIAN', 'P95', 'REFERENCE', 'MEDIAN', 'P95', 'RATIO', 'AIM']
  const notes = [...new Set(results.flatMap((result) => noteOf(result) ?? []))]
  return [heading(conditions), '', table(head, results.map(lineOf)), ...(notes.length > 0 ? ['', ...notes] : [])].join(
    '\n',
  )
}

function heading({ rounds, ...machine }: Conditions): string {
  const { cpu, cores, memory_bytes, load, kernel, vmm, accelerator, file_system } = machine
  return [
    `${cpu}, ${cores} cores, ${bytes(memory_bytes)}, load ${load.toFixed(2)} at the start`,
    `Linux ${kernel}, ${vmm} under ${accelerator.toUpperCase()}, data on ${file_system}`,
    `${rounds} rounds; 512 MiB capsules with 20 MB of random bytes written to /dev/shm, where nothing else is said`,
  ].join('\n')
}

function lineOf(result: Result): string[] {
  const { title, unit, measured, reference = '', referenceMeasured, ratio, skipped } = result
  const own = measured
    ? [shown(measured.median, unit), shown(measured.p95, unit)]
    : [skipped ? 'skipped' : 'failed', '']
  const theirs = referenceMeasured
    ? [shown(referenceMeasured.median, unit), shown(referenceMeasured.p95, unit)]
    : ['', '']
  return [title, ...own, reference, ...theirs, ratio === undefined ? '' : `${short(ratio)} ×`, aimOf(result)]
}

function aimOf({ aim, unit, met }: Result): string {
  if (!aim) return ''
  const wanted = aim.of === 'ratio' ? `${aim.atMost} ×` : shown(aim.atMost, unit)
  return `≤ ${wanted}${met === undefined ? '' : met ? ', met' : ', missed'}`
}

function noteOf({ figure, title, failure, skipped }: Result): string | undefined {
  if (skipped !== undefined) return `${title}: skipped, ${skipped}`
  return failure === undefined ? undefined : `${figure} failed: ${failure}`
}

/** A value in its unit. Bytes are decimal here, as the aims are. */
export function shown(value: number, unit: Unit): string {
  return unit === 'ms' ? `${short(value)} ms` : `${short(value / 1e6)} MB`
}

/** Three digits or so. */
function short(value: number): string {
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2)
}
