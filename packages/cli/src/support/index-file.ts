/** What is in a bundle, in words: its first file. */
import type { Collected } from './collect.js'
import type { Entry, Part } from './part.js'

export function indexOf({ entries, leftOut }: Collected, parts: readonly Part[], at: Date): Entry {
  const lines = [
    `A support bundle of Wrenn, made at ${at.toISOString()}.`,
    '',
    'It is for whoever is to find out what is wrong. It has no keys, variables, labels, commands, or contents of capsules.',
    'Read it before you give it to anybody.',
    '',
    'Parts:',
    ...parts.map(({ name, about }) => `  ${name}: ${about}`),
    '',
    'Files:',
    ...entries.map(({ name, content }) => `  ${name} (${Buffer.byteLength(content)} bytes)`),
    '',
    'Left out:',
    ...(leftOut.length > 0
      ? leftOut.map(({ part, why }) => `  ${part}: ${why}`)
      : ['  nothing of what was looked for']),
  ]
  return { name: 'INDEX.txt', content: `${lines.join('\n')}\n` }
}
