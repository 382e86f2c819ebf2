/** Values as people read them. */
import Table from 'cli-table3'

const plain = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
}

/** A table without lines. */
export function table(head: string[], rows: string[][]): string {
  const shown = new Table({
    head,
    chars: plain,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  })
  shown.push(...rows)
  return shown
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** A number of bytes: `7.3 MiB`. */
export function bytes(count: number): string {
  const power = count === 0 ? 0 : Math.min(Math.floor(Math.log2(count) / 10), units.length - 1)
  const value = count / 1024 ** power
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`
}

/** How long ago a time was: `5 min`. */
export function age(time: string, now = Date.now()): string {
  return span(now - Date.parse(time))
}

/** How long it is until a time: `5 min`, or `ended`. */
export function left(time: string, now = Date.now()): string {
  const ms = Date.parse(time) - now
  return ms <= 0 ? 'ended' : span(ms)
}

function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}

/** Names and values, one a line. */
export function fields(value: object): string {
  const entries = Object.entries(value).filter(([, one]) => one !== undefined && one !== null)
  const width = Math.max(...entries.map(([name]) => name.length))
  return entries
    .map(([name, one]) => `${name.padEnd(width)}  ${typeof one === 'object' ? JSON.stringify(one) : String(one)}`)
    .join('\n')
}
