import { expect, test } from 'vitest'
import { encodePiece, encodeWhole } from './encoding.js'

test('output that is UTF-8 stays text, and one stream that is not makes both base64', () => {
  expect(encodeWhole(Buffer.from('ä'), Buffer.from('ö'))).toEqual({ stdout: 'ä', stderr: 'ö', encoding: 'utf-8' })
  expect(encodeWhole(Buffer.from([0xff]), Buffer.from('ö'))).toEqual({
    stdout: '/w==',
    stderr: 'w7Y=',
    encoding: 'base64',
  })
})

test('a character that is cut anywhere comes whole with the next piece', () => {
  const text = 'aé漢😀z'
  const bytes = Buffer.from(text)
  for (let cut = 0; cut <= bytes.length; cut++) {
    const first = encodePiece(bytes.subarray(0, cut), { mayContinue: true })
    const second = encodePiece(Buffer.concat([first.tail, bytes.subarray(cut)]), { mayContinue: true })
    expect(first.event.encoding).toBe('utf-8')
    expect(first.event.data + second.event.data).toBe(text)
    expect(second.tail).toHaveLength(0)
  }
})

test('what is no UTF-8 is base64 and holds nothing back', () => {
  const piece = Buffer.from([0xff, 0xfe, 0x41])
  expect(encodePiece(piece, { mayContinue: true })).toEqual({
    event: { data: piece.toString('base64'), encoding: 'base64' },
    tail: Buffer.alloc(0),
  })
  expect(encodePiece(Buffer.from([0xe6, 0xbc])).event.encoding).toBe('base64')
})
