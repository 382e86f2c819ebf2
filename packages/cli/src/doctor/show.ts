/** The report for people. */
import pc from 'picocolors'
import { table } from '../format.js'
import type { Finding, Report } from './shape.js'

/** How many things of one finding are named. */
const MOST_ITEMS = 20

/** For what cannot be put right by what is said here. */
const MORE_HELP =
  'If none of that helps: wrenn support-bundle writes a file, without secrets, for whoever is to look into it.'

const words = { ok: 'ok', warning: 'warning', error: 'ERROR', skipped: 'skipped' } as const
type Colours = ReturnType<typeof pc.createColors>

/** A table, what to do about what is not good, and one line at the end. */
export function show({ findings, fixed, summary }: Report, isColoured: boolean): string {
  const colours = pc.createColors(isColoured)
  const rows = findings.map(({ number, title, status, text }) => [number, title, word(status, colours), text])
  const bad = findings.filter(({ status }) => status === 'warning' || status === 'error')
  return [
    table(['NUMBER', 'CHECK', '', 'FINDING'], rows),
    ...bad.map(advice),
    ...(fixed.length > 0 ? [`Put right:\n${fixed.map((line) => `  ${line}`).join('\n')}`] : []),
    ...(bad.length > 0 ? [MORE_HELP] : []),
    summaryLine(summary),
  ].join('\n\n')
}

function word(status: Finding['status'], { green, yellow, red, dim }: Colours): string {
  return { ok: green, warning: yellow, error: red, skipped: dim }[status](words[status])
}

function advice({ number, title, fix, items = [] }: Finding): string {
  const more = items.length - MOST_ITEMS
  return [
    `${number} ${title}: ${fix ?? ''}`,
    ...items.slice(0, MOST_ITEMS).map((item) => `  ${item}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ].join('\n')
}

function summaryLine({ error, warning, ok, skipped }: Report['summary']): string {
  const many = (count: number, one: string) => `${count} ${one}${count === 1 ? '' : 's'}`
  const rest = `${many(error, 'error')}, ${many(warning, 'warning')}, ${ok} ok, ${skipped} skipped.`
  return error > 0 ? rest : warning > 0 ? `Wrenn can run here. ${rest}` : `All is well. ${rest}`
}
