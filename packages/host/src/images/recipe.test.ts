import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { digestOf, platformTemplates, readRecipes, type RootRecipe } from './recipe.js'

let folder: string
beforeEach(async () => {
  folder = `${await mkdtemp(join(tmpdir(), 'wrenn-recipes-'))}/`
  await write('kernel.json', { suite: 'stable', package: 'linux', modules: [] })
  await mkdir(join(folder, 'own'))
  await writeFile(join(folder, 'own/config'), 'first')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const plain = { name: 'plain', suite: 'stable', packages: ['bash'], disk_size_mb: 512 }
const write = (name: string, recipe: object) => writeFile(join(folder, name), JSON.stringify(recipe))
const read = async (more: object): Promise<RootRecipe> => {
  await write('plain.json', { ...plain, ...more })
  return (await readRecipes(folder)).roots[0]!
}

test('the platform offers these templates, the default first, and builds what takes long later', async () => {
  expect(await platformTemplates()).toEqual([
    { name: 'minimal', isLater: false },
    { name: 'base-python', isLater: false },
    { name: 'code-runner-beta', isLater: true },
  ])
})

test('a recipe holds the content of its files, so that its digest changes with them', async () => {
  const files = { '/etc/config': 'own/config' }
  const first = await read({ files })
  expect(first.files).toEqual({ '/etc/config': 'first' })
  await writeFile(join(folder, 'own/config'), 'second')
  expect(digestOf(await read({ files }))).not.toBe(digestOf(first))
})

test('a recipe without more is as it stands, so that what was built of it is found again', async () => {
  expect(digestOf(await read({}))).toBe(digestOf(plain))
})

test.each([
  ['a path that is not absolute', { files: { 'etc/config': 'own/config' } }],
  ['a path that leaves the root', { files: { '/etc/../../config': 'own/config' } }],
  ['a file outside of the folder', { files: { '/etc/config': '../own/config' } }],
  ['a file that is not there', { files: { '/etc/config': 'own/other' } }],
  ['a service without a check', { service: { start: ['true'], tag: 'a', timeout_sec: 1 } }],
  ['a service without a program', { service: { start: [], check: ['true'], tag: 'a', timeout_sec: 1 } }],
])('%s is refused', async (_, more) => {
  await expect(read(more)).rejects.toThrow()
})
