import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** Lets two connections be one: each way ends alone, and the loss of one is the loss of the other. */
export function join(one: Duplex, other: Duplex): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.pipe(to)
    from.on('error', () => {})
    from.once('close', () => {
      if (!from.readableEnded || !from.writableFinished) cut(to)
    })
  }
}

/** So that it is seen as a loss at the other end too, and not as an end. */
function cut(stream: Duplex): void {
  if (stream instanceof Socket) stream.resetAndDestroy()
  else stream.destroy()
}
