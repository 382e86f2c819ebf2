/** The data directories of earlier code that are kept (test/fixtures). */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../fixtures/', import.meta.url))

/** What stands in records instead of the directory that they were made in. */
const PLACE = '/var/lib/wrenn'

/** The key and the variable that all of them have. */
export const known = { key: `wrn_${'0123456789abcdef'.repeat(2)}`, token: 'sealed-by-the-fixture' }

/** The formats of which there is one. */
export const fixtures = readdirSync(folder)
  .map((name) => /^data-(\d+)\.tar\.gz$/.exec(name)?.[1])
  .filter((format) => format !== undefined)
  .map(Number)

/** Unpacks one into a directory of its own, which the caller removes. */
export async function unpackFixture(format: number): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'wrenn-fixture-'))
  const { status, stderr } = spawnSync('tar', ['-xzf', join(folder, `data-${format}.tar.gz`), '-C', dataDir], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(stderr)
  for (const id of await readdir(join(dataDir, 'capsules'))) {
    const record = join(dataDir, 'capsules', id, 'capsule.json')
    await writeFile(record, (await readFile(record, 'utf8')).replaceAll(PLACE, dataDir))
  }
  return dataDir
}
