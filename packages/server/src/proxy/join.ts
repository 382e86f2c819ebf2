import type { Duplex } from 'node:stream'
import { reset } from './reset.js'

/** Lets two connections be one: each way ends alone, and the loss of one is the loss of the other. */
export function join(one: Duplex, other: Duplex): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.pipe(to)
    from.on('error', () => {})
    from.once('close', () => {
      if (!from.readableEnded || !from.writableFinished) reset(to)
    })
  }
}
