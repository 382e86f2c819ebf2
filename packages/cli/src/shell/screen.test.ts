import { expect, test } from 'vitest'
import { Screen } from './screen.js'

const undone = (...printed: string[]) => {
  const screen = new Screen()
  for (const text of printed) screen.saw(Buffer.from(text))
  return screen.undo()
}

test.each([
  [['plain'], '\x1b[0m'],
  [['\x1b[?1049h', 'x'], '\x1b[?1049l\x1b[0m'],
  [['\x1b[?1049hx\x1b[?1049l'], '\x1b[0m'],
  [['\x1b[?10', '00;1006h'], '\x1b[?1000l\x1b[?1006l\x1b[0m'],
  [['\x1b', '[?25l'], '\x1b[?25h\x1b[0m'],
  [['\x1b[?25l\x1b[?25h\x1b[?7h'], '\x1b[0m'],
])('what %j has done is undone by %j', (printed, undo) => {
  expect(undone(...printed)).toBe(undo)
})
