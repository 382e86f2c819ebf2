/** Data directories that earlier code made are opened by the code of today, and everything is found in them. */
import { readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { checkFormat, DATA_FORMAT, pathsOf } from '@wrenn/host'
import { FakeWorld, makeFakeImage } from '@wrenn/host/fake'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Wrenn } from 'wrenn'
import { fixtures, known, unpackFixture } from '../support/fixture.js'
import { start, type Running } from '../support/wrenn.js'

test('there is one of every format', () => {
  expect(fixtures.sort((a, b) => a - b)).toEqual(Array.from({ length: DATA_FORMAT }, (_, i) => i + 1))
})

describe.each(fixtures)('a data directory of format %i', (format) => {
  let dataDir: string
  let wrenn: Running | undefined
  beforeEach(async () => void (dataDir = await unpackFixture(format)))
  afterEach(async () => {
    await wrenn?.stop()
    wrenn = undefined
    await rm(dataDir, { recursive: true, force: true })
  })

  async function open(): Promise<Wrenn> {
    const images = [await makeFakeImage(pathsOf(dataDir), 'minimal')]
    const driver = { kind: 'fake', world: new FakeWorld() } as const
    const secret = await readFile(join(dataDir, 'secret.key'))
    wrenn = await start({ dataDir, driver, images, secret }, known.key)
    return new Wrenn({ baseUrl: wrenn.url, apiKey: known.key })
  }

  const notes = async (client: Wrenn, template: string) => {
    const capsule = await client.capsules.create({ template })
    return capsule.files.read('/home/notes.txt')
  }

  test('its templates start, in each of their versions', async () => {
    const client = await open()
    expect(await notes(client, 'trained')).toBe('second')
    expect(await notes(client, 'trained@1')).toBe('first')
    await client.capsules.create()
  })

  test('its paused capsule goes on with its variables, and the one that ran is lost with a reason', async () => {
    const client = await open()
    const all = await client.capsules.list()
    expect(all.map(({ status }) => status).sort()).toEqual(['missing', 'paused'])
    const capsule = await client.capsules.resume(all.find(({ status }) => status === 'paused')!.id)
    expect((await capsule.commands.run({ cmd: 'env' })).stdout).toContain(`TOKEN=${known.token}`)
    // Its record was understood: only its process is gone.
    const lost = await wrenn!.store.capsules.ofAnyTeam(all.find(({ status }) => status === 'missing')!.id)
    expect(lost?.reason).toBe('its process ended while the server was down')
  })

  test('its keys are valid, and every file of its templates is what was written', async () => {
    const client = await open()
    expect((await client.keys.list()).map(({ name }) => name)).toContain('reader')
    for (const id of await readdir(pathsOf(dataDir).snapshots)) {
      const parts = await wrenn!.host.verify({ kind: 'snapshot', snapshotId: id })
      expect(parts.filter(({ problem }) => problem)).toEqual([])
    }
    await expect(new Wrenn({ baseUrl: wrenn!.url, apiKey: known.key.replace('0', '1') }).keys.list()).rejects.toThrow()
  })

  test('it is brought to the format of today, also where it does not say its own', async () => {
    if (format === 1) await rm(join(dataDir, 'format.json'))
    expect(await checkFormat(dataDir)).toBe(format)
    await open()
    expect(JSON.parse(await readFile(join(dataDir, 'format.json'), 'utf8'))).toMatchObject({ format: DATA_FORMAT })
  })

  test('made by a newer version it is refused, and nothing in it is touched', async () => {
    await writeFile(join(dataDir, 'format.json'), JSON.stringify({ format: DATA_FORMAT + 1, version: '9.0.0' }))
    const before = await stat(join(dataDir, 'wrenn.db'))
    await expect(open()).rejects.toThrow('made by a newer version of Wrenn (9.0.0')
    const after = await stat(join(dataDir, 'wrenn.db'))
    expect([after.mtimeMs, after.size]).toEqual([before.mtimeMs, before.size])
  })
})
