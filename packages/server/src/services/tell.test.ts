import type { ExecChunk } from '@wrenn/wire'
import { expect, test } from 'vitest'
import { encodePiece, textPiece } from './encoding.js'
import { tell, type Encode } from './tell.js'

type Stream = 'stdout' | 'stderr'
type Piece = [Stream, number[]]

async function* output(pieces: Piece[]): AsyncGenerator<ExecChunk> {
  for (const [type, data] of pieces) yield { type, data: Uint8Array.from(data) }
  yield { type: 'exit', exitCode: 0, timedOut: false, durationMs: 1 }
}

async function told<P extends { data: string }>(pieces: Piece[], encode: Encode<P>, offset = 0) {
  const session = { id: 'exec-0000000000000000', pid: 1, output: output(pieces) }
  const events: { type: string; data: string; offset: number }[] = []
  for await (const event of tell({ session, begin: { offset }, encode, failed: () => {} }))
    if ('data' in event) events.push({ type: event.type, data: event.data, offset: event.offset })
  return events
}

test('the offset stays before a character that is held back, however much the other stream writes', async () => {
  const pieces: Piece[] = [
    ['stdout', [0x61, 0xe6]],
    ['stderr', [0x78, 0x79]],
    ['stdout', [0xbc]],
    ['stderr', [0x7a]],
    ['stdout', [0xa2]],
  ]
  expect(await told(pieces, textPiece, 100)).toEqual([
    { type: 'stdout', data: 'a', offset: 101 },
    { type: 'stderr', data: 'xy', offset: 101 },
    { type: 'stderr', data: 'z', offset: 101 },
    { type: 'stdout', data: '漢', offset: 107 },
  ])
})

test('with both held back it is the first of them that counts', async () => {
  const pieces: Piece[] = [
    ['stderr', [0x61, 0xf0]],
    ['stdout', [0x62, 0xe6]],
    ['stderr', [0x9f, 0x98, 0x80]],
  ]
  expect(await told(pieces, textPiece)).toEqual([
    { type: 'stderr', data: 'a', offset: 1 },
    { type: 'stdout', data: 'b', offset: 1 },
    { type: 'stderr', data: '😀', offset: 3 },
    { type: 'stdout', data: '\u{fffd}', offset: 7 },
  ])
})

/** All bytes in their order, each with its stream. */
function cut(pieces: Piece[], from: number): Piece[] {
  let at = 0
  return pieces.flatMap(([type, data]): Piece[] => {
    const rest = data.slice(Math.max(0, from - at))
    at += data.length
    return rest.length > 0 && at > from ? [[type, rest]] : []
  })
}

test.each([
  ['text', textPiece],
  ['text or base64', encodePiece as Encode<{ data: string }>],
])('whoever goes on from any offset misses nothing of either stream (%s)', async (_, encode) => {
  const [one, two] = ['aé漢😀z', 'ß€🙂'].map((text) => [...Buffer.from(text)]) as [number[], number[]]
  const bytes = Array.from({ length: Math.max(one.length, two.length) }, (__, n): Piece[] => [
    ...(n < one.length ? ([['stdout', [one[n]!]]] satisfies Piece[]) : []),
    ...(n < two.length ? ([['stderr', [two[n]!]]] satisfies Piece[]) : []),
  ]).flat()
  const all = await told(bytes, encode)
  const of = (events: { type: string; data: string }[], type: Stream) =>
    events
      .filter((event) => event.type === type)
      .map(({ data }) => data)
      .join('')
  for (let n = 1; n <= all.length; n++) {
    const before = all.slice(0, n)
    const after = await told(cut(bytes, before.at(-1)!.offset), textPiece)
    for (const [type, whole] of [
      ['stdout', 'aé漢😀z'],
      ['stderr', 'ß€🙂'],
    ] as const) {
      // What is told twice is where the two overlap; a character whose beginning was told before is no character here.
      const rest = of(after, type).replace(/^\u{fffd}+/u, '')
      const missing = whole.slice(of(before, type).length)
      expect(rest.endsWith(missing), `${type} after ${n}: ${rest}`).toBe(true)
    }
  }
})
