import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { replaceFile } from '../fs/durable.js'
import { aroundFileCalls } from './file-calls.js'

test('every call that changes a file is seen before it is made, and may be made to fail or wait', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'wrenn-file-calls-'))
  const seen: string[] = []
  const end = await aroundFileCalls(({ name, paths }, work) => {
    if (!paths.some((path) => path.startsWith(dir))) return work()
    seen.push([name, ...paths.map((path) => path.slice(dir.length + 1))].join(' '))
    if (name === 'rename' && paths[1]!.endsWith('never')) return new Promise(() => {})
    if (name === 'rename' && paths[1]!.endsWith('full')) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
    return work()
  })
  const at = (name: string) => join(dir, name)
  try {
    await replaceFile(at('a'), 'text')
    writeFileSync(at('b'), 'text')
    await expect(rename(at('b'), at('full'))).rejects.toMatchObject({ code: 'ENOSPC' })
    const waiting = rename(at('b'), at('never'))
    expect(await Promise.race([waiting, Promise.resolve('waits')])).toBe('waits')
    const handle = await open(at('b'))
    await handle.close()
  } finally {
    end()
  }
  await writeFile(at('c'), 'not seen')
  expect(readFileSync(at('a'), 'utf8') + readFileSync(at('b'), 'utf8')).toBe('texttext')
  expect(seen).toEqual([
    'open a.next',
    'handle.writeFile a.next',
    'handle.sync a.next',
    'rename a.next a',
    'handle.sync ',
    'writeFile b',
    'rename b full',
    'rename b never',
  ])
  await rm(dir, { recursive: true })
})
