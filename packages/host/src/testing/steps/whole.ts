/** Whether all that a host has is whole, and nothing else is there. */
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { expect } from 'vitest'
import { readRecord } from '../../capsules/record.js'
import { imageLayers, names } from '../../paths.js'
import { decodeManifest } from '../../snapshots/manifest.js'
import type { Scene } from './scene.js'

/** Compares what is there with what the store knows. */
export async function assertWhole(scene: Scene, when: string): Promise<void> {
  const { paths, capsules, snapshots } = scene
  const found = {
    machines: [...scene.world.machines.values()].map(({ name }) => name).sort(),
    paused: [...scene.world.machines.values()].filter(({ paused }) => paused).length,
    networks: scene.networks.there.size,
    capsules: await namesIn(paths.capsules),
    snapshots: await namesIn(paths.snapshots),
    staging: await namesIn(paths.staging),
    data: (await namesIn(paths.data)).filter((name) => !folders.includes(name)),
  }
  const running = [...capsules.keys()].sort()
  const expected = { capsules: running, snapshots: [...snapshots.keys()].sort(), staging: [], data: [] }
  expect(found, when).toEqual({ ...expected, machines: running, paused: 0, networks: running.length })
  for (const id of running) await assertOnlyNamed(paths.capsule(id), await filesOfCapsule(paths.capsule(id)), when)
  for (const id of snapshots.keys()) await assertSnapshot(paths.snapshot(id), when)
  for (const id of await namesIn(paths.images)) {
    const known = [names.image, names.kernel, names.initramfs, imageLayers.root, names.ready]
    const there = await namesIn(paths.image(id))
    expect(
      there.filter((name) => !known.includes(name as never)),
      when,
    ).toEqual([])
    for (const size of await namesIn(paths.readyOf(id))) await assertSnapshot(paths.ready(id, size), when)
  }
}

/** What runs has its content and works, and so does what is started from each snapshot. */
export async function assertContent(scene: Scene, when: string): Promise<void> {
  const { host } = scene
  for (const [id, content] of scene.capsules) expect(await scene.read(id), when).toEqual([content, content])
  for (const [id, content] of scene.snapshots) {
    const parts = await host.verify({ kind: 'snapshot', snapshotId: id })
    expect(
      parts.filter(({ problem }) => problem),
      when,
    ).toEqual([])
    const started = await scene.start({ from: id })
    expect(await scene.read(started), when).toEqual([content, content])
    await host.destroy(started)
  }
}

const folders = ['images', 'snapshots', 'capsules', 'staging', 'format.json']

async function filesOfCapsule(dir: string): Promise<string[]> {
  const record = await readRecord(dir)
  const { origin, layers } = record!
  return [names.record, names.run, names.log, ...origin.files.map(({ name }) => name), ...layers]
}

async function assertSnapshot(dir: string, when: string): Promise<void> {
  const { files } = decodeManifest(await readFile(join(dir, names.manifest), 'utf8'))
  await assertOnlyNamed(dir, [names.manifest, ...files.map(({ name }) => name)], when)
}

async function assertOnlyNamed(dir: string, named: string[], when: string): Promise<void> {
  expect(await namesIn(dir), `${when}: ${basename(dir)}`).toEqual([...new Set(named)].sort())
}

async function namesIn(dir: string): Promise<string[]> {
  return (await readdir(dir)).sort()
}
