import { expect, test } from 'vitest'
import { decodeFrames, encodeFrame } from './frames.js'

async function* each(parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield part
}

async function frames(parts: Uint8Array[] = []): Promise<[number, string][]> {
  const found: [number, string][] = []
  for await (const { type, payload } of decodeFrames(each(parts))) found.push([type, payload.toString()])
  return found
}

test('frames are found however the stream is cut', async () => {
  const whole = Buffer.concat([
    encodeFrame(1, Buffer.from('hello')),
    encodeFrame(2, Buffer.alloc(0)),
    encodeFrame(3, Buffer.alloc(65_536, 'x')),
    encodeFrame(4, Buffer.from('!')),
  ])
  const expected = [
    [1, 'hello'],
    [2, ''],
    [3, 'x'.repeat(65_536)],
    [4, '!'],
  ]
  for (const size of [1, 2, 7, 4096, whole.length]) {
    const parts: Uint8Array[] = []
    for (let at = 0; at < whole.length; at += size) parts.push(whole.subarray(at, at + size))
    expect(await frames(parts)).toEqual(expected)
  }
})

test('a frame that is too long fails at its header', async () => {
  await expect(frames([Buffer.from([1, 0, 1, 0, 1])])).rejects.toThrow('a frame of 65537 bytes')
})

test('a stream may end between frames and nowhere else', async () => {
  expect(await frames()).toEqual([])
  await expect(frames([Buffer.from([1, 0])])).rejects.toThrow('inside of a frame')
  await expect(frames([encodeFrame(1, Buffer.from('abc')).subarray(0, 6)])).rejects.toThrow('inside of a frame')
})
