/** One table of error codes: what is raised is in it, what is in it is raised or published, and the docs show all of it. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { errorCodes, errorTable, openApi } from '@wrenn/wire'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))

function sources(): string {
  const below = (dir: string) =>
    readdirSync(join(root, dir), { recursive: true, encoding: 'utf8' }).map((name) => join(root, dir, name))
  const files = ['packages/server/src', 'packages/host/src', 'packages/wire/src'].flatMap(below)
  return files
    .filter((name) => name.endsWith('.ts') && !name.includes('.test.'))
    .map((name) => readFileSync(name, 'utf8'))
    .join('\n')
}

test('every code that is raised is in the table', () => {
  const raised = [...sources().matchAll(/new Problem\(\s*'(\w+)'/g)].map(([, code]) => code!)
  expect(raised.length).toBeGreaterThan(20)
  expect(raised.filter((code) => !(code in errorTable))).toEqual([])
})

test('every code in the table has a meaning for somebody', () => {
  const text = sources()
  const unused = errorCodes.filter((code) => [...text.matchAll(new RegExp(`'${code}'`, 'g'))].length < 1)
  expect(unused).toEqual([])
})

test('the table for users names every code with its status', () => {
  const docs = readFileSync(join(root, 'docs/errors.md'), 'utf8')
  for (const code of errorCodes) expect(docs).toContain(`| \`${code}\` | ${errorTable[code].status} |`)
})

test('the description of the API names the codes of each route', () => {
  const text = JSON.stringify(openApi('0'))
  for (const code of errorCodes.filter((one) => one !== 'method_not_allowed'))
    expect(text, code).toContain(`\`${code}\``)
})
