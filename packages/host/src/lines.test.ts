import { expect, test } from 'vitest'
import { source } from './testing/guest.js'
import { decodeLines } from './lines.js'

async function lines(...parts: (string | Uint8Array)[]): Promise<string[]> {
  const found: string[] = []
  for await (const line of decodeLines(source(...parts), 8)) found.push(line)
  return found
}

test('lines are found however the stream is cut', async () => {
  const text = Buffer.from('one\nzwölf\n\n12345678\n')
  const expected = ['one', 'zwölf', '12345678']
  for (const size of [1, 2, 3, 5, text.length]) {
    const parts: Uint8Array[] = []
    for (let at = 0; at < text.length; at += size) parts.push(text.subarray(at, at + size))
    expect(await lines(...parts)).toEqual(expected)
  }
})

test('a line that is too long fails, whether it ends or not', async () => {
  await expect(lines('123456789\n')).rejects.toThrow('more than 8 bytes')
  await expect(lines('1234', '56789')).rejects.toThrow('more than 8 bytes')
})

test('a stream ends with a whole line', async () => {
  expect(await lines()).toEqual([])
  await expect(lines('a\nb')).rejects.toThrow('inside of a line')
})
