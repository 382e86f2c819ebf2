/** Program output as text: UTF-8 where it is that, base64 otherwise. */
import { isUtf8 } from 'node:buffer'

export type Encoding = 'utf-8' | 'base64'

/** Both streams of a program that has ended, in one encoding. */
export function encodeWhole(stdout: Buffer, stderr: Buffer): { stdout: string; stderr: string; encoding: Encoding } {
  const encoding = isUtf8(stdout) && isUtf8(stderr) ? 'utf-8' : 'base64'
  return { stdout: stdout.toString(encoding), stderr: stderr.toString(encoding), encoding }
}

export interface EncodedPiece {
  event: { data: string; encoding: Encoding }
  /** The beginning of a character whose rest comes with the next piece. */
  tail: Buffer
}

/**
 * One piece of a stream.
 * @param mayContinue whether a character that is cut off at the end is held back rather than being no UTF-8
 */
export function encodePiece(piece: Buffer, { mayContinue = false } = {}): EncodedPiece {
  const cut = mayContinue ? piece.length - unfinished(piece) : piece.length
  const whole = piece.subarray(0, cut)
  if (isUtf8(whole)) return { event: { data: whole.toString('utf8'), encoding: 'utf-8' }, tail: piece.subarray(cut) }
  return { event: { data: piece.toString('base64'), encoding: 'base64' }, tail: Buffer.alloc(0) }
}

/** One piece of a stream as text, whatever it is: bytes that are no UTF-8 become U+FFFD. */
export function textPiece(piece: Buffer, { mayContinue = false } = {}): { event: { data: string }; tail: Buffer } {
  const cut = mayContinue ? piece.length - unfinished(piece) : piece.length
  return { event: { data: piece.toString('utf8', 0, cut) }, tail: piece.subarray(cut) }
}

/** How many bytes a character has that begins with this one; 1 also for what begins none. */
function lengthFrom(byte: number): number {
  if (byte < 0xc2 || byte > 0xf4) return 1
  return byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
}

/** How many bytes at the end are the beginning of a longer UTF-8 character: 0 to 3. */
function unfinished(piece: Buffer): number {
  for (let back = 1; back <= Math.min(3, piece.length); back++) {
    const byte = piece[piece.length - back]!
    if ((byte & 0b1100_0000) === 0b1000_0000) continue
    return lengthFrom(byte) > back ? back : 0
  }
  return 0
}
