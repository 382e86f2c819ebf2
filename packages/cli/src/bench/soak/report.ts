/** The result of a soak: as data, and as tables for people. */
import { bytes, table } from '../../format.js'
import { summarize, type Summary } from '../statistics.js'
import type { FaultCounts } from './faults.js'
import type { ErrorCount, Tally } from './tally.js'
import { traceKinds, type TraceKind } from './traces.js'

/** How many more descriptors are no loss: connections that are just being closed. */
const MORE_DESCRIPTORS = 12
/** Memory that grows by less is none either: a heap that has not been tidied yet. */
const MORE_MEMORY = { ratio: 1.5, bytes: 64 * 1024 * 1024 }

export interface Outcome {
  seed: number
  minutes: number
  operations: number
  kinds: ({ kind: string } & Summary)[]
  errors: ErrorCount[]
  faults: FaultCounts
  /** How many events were read, and how many came twice. */
  events: { read: number; repeated: number }
  wrong: string[]
  /** Without a capsule: after the warm-up, and at the end. */
  descriptors: { first: number; last: number } | undefined
  /** Of the server in the calm half: its mean in the first quarter of it and in the last, in bytes. */
  memory: { first: number; last: number } | undefined
  left: Record<TraceKind, string[]>
}

export function kindsOf({ samples }: Tally): Outcome['kinds'] {
  const kinds = [...samples].map(([kind, values]) => ({ kind, ...summarize(values) }))
  return kinds.sort((one, other) => other.count - one.count)
}

/** What the soak holds against the server, in words; nothing: it is as it should be. */
export function complaints({ wrong, errors, events, descriptors, memory, left }: Outcome): string[] {
  const unexpected = errors.filter(({ why }) => why === 'unexpected')
  return [
    ...wrong.map((words) => `wrong: ${words}`),
    ...unexpected.map(
      ({ kind, code, count, example }) => `unexpected: ${kind} failed ${count} times: ${code}: ${example}`,
    ),
    ...(events.repeated > 0 ? [`${events.repeated} events came twice`] : []),
    ...traceKinds.filter((kind) => left[kind].length > 0).map((kind) => `left: ${kind}: ${shown(left[kind])}`),
    ...(descriptors && descriptors.last > descriptors.first + MORE_DESCRIPTORS
      ? [`descriptors grew from ${descriptors.first} to ${descriptors.last}`]
      : []),
    ...(memory && memory.last > memory.first * MORE_MEMORY.ratio && memory.last > memory.first + MORE_MEMORY.bytes
      ? [`the server's memory grew from ${bytes(memory.first)} to ${bytes(memory.last)}`]
      : []),
  ]
}

export function soakReport(outcome: Outcome): string {
  const { seed, minutes, operations, kinds, errors, wrong } = outcome
  const said = complaints(outcome)
  return [
    `${operations} operations in ${minutes.toFixed(1)} min, seed ${seed}`,
    '',
    table(['OPERATION', 'COUNT', 'P50', 'P95', 'P99'], kinds.map(lineOf)),
    '',
    errors.length > 0 ? table(['ERROR', 'AT', 'WHY', 'COUNT'], errors.map(errorLine)) : 'No errors.',
    '',
    table(['', ''], [['wrong contents, or lost', String(wrong.length)], ...facts(outcome)]),
    '',
    ...(said.length > 0 ? said : ['Nothing is wrong, and nothing is left.']),
  ].join('\n')
}

function facts({ faults, events, descriptors, memory, left }: Outcome): string[][] {
  return [
    ['server killed', String(faults.serverKills)],
    ['vmm of a capsule killed', String(faults.vmmKills)],
    ['events read', String(events.read)],
    ...(descriptors ? [["server's descriptors at rest", `${descriptors.first} → ${descriptors.last}`]] : []),
    ...(memory ? [["server's memory", `${bytes(memory.first)} → ${bytes(memory.last)}`]] : []),
    ...traceKinds.map((kind) => [`${kind} left`, String(left[kind].length)]),
  ]
}

function lineOf({ kind, count, median, p95, p99 }: Outcome['kinds'][number]): string[] {
  return [kind, String(count), ...[median, p95, p99].map((ms) => `${ms.toFixed(0)} ms`)]
}

function errorLine({ kind, code, why, count }: ErrorCount): string[] {
  return [code, kind, why, String(count)]
}

const SHOWN = 5
function shown(names: string[]): string {
  const more = names.length - SHOWN
  return names.slice(0, SHOWN).join(', ') + (more > 0 ? ` and ${more} more` : '')
}
