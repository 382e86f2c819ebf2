/** What a host does, in the order in which a server has it done and writes into its store what became of it. */
import type { ErrorCode } from '@wrenn/wire'
import { expect } from 'vitest'
import { upgradeData } from '../../data/upgrade.js'
import { checkFormat } from '../../data/format.js'
import { writeSynced } from '../../fs/durable.js'
import { join } from 'node:path'
import { allEnded } from '../../wait.js'
import { names, type Paths } from '../../paths.js'
import type { UpkeepRules } from '../../snapshots/upkeep.js'
import type { Scene } from './scene.js'

export interface Operation {
  what: string
  /** How many steps it has at least: were fewer found, then they are not all seen. */
  steps: number
  /** Makes what it is done to, and gives the id of that. */
  prepare?: (scene: Scene) => Promise<string>
  run: (scene: Scene, subject: string) => Promise<unknown>
  /** Whether it opens a host itself, or needs none: nothing else can go on meanwhile. */
  opens?: true
  /** What it answers whatever the disk says; otherwise what the disk says decides. */
  refusal?: ErrorCode
  /** What comes before a host is opened. */
  opening?: (scene: Scene) => Promise<unknown>
}

const subject = (scene: Scene) => scene.capsule('of the subject')
const captured = async (scene: Scene) => scene.snapshot(await subject(scene))

/** A capsule that was captured so often that its disk has several layers. */
async function generations(scene: Scene): Promise<string> {
  const id = await subject(scene)
  for (let i = 0; i < 3; i++) {
    await scene.write(id, `generation ${i}`)
    await scene.host.deleteSnapshot(await scene.capture(id, { purpose: 'fork' }))
  }
  scene.capsules.set(id, 'generation 2')
  return id
}

async function capture(scene: Scene, id: string): Promise<string> {
  const snapshotId = await scene.capture(id)
  scene.snapshots.set(snapshotId, scene.capsules.get(id)!)
  return snapshotId
}

async function startFrom(scene: Scene, from?: string): Promise<void> {
  const id = await scene.start(from ? { from } : {})
  if (!from) await scene.write(id, 'of an image')
  scene.capsules.set(id, from ? scene.snapshots.get(from)! : 'of an image')
}

/** The store has it paused, or stopped with a template of it, before the process is let go. */
async function captureAndEnd(scene: Scene, id: string, purpose: 'template' | 'pause'): Promise<string> {
  const snapshotId = await scene.capture(id, { purpose, keepSource: false })
  scene.snapshots.set(snapshotId, scene.capsules.get(id)!)
  scene.capsules.delete(id)
  await orLog(scene, scene.host.destroy(id))
  return snapshotId
}

async function destroy(scene: Scene, id: string): Promise<void> {
  scene.capsules.delete(id)
  await scene.host.destroy(id)
}

/** The store forgets it before its files go. */
async function deleteSnapshot(scene: Scene, id: string): Promise<void> {
  scene.snapshots.delete(id)
  await scene.host.deleteSnapshot(id)
}

async function fork(scene: Scene, id: string): Promise<void> {
  const snapshotId = await scene.capture(id, { purpose: 'fork' })
  const start = async () => {
    const one = await scene.start({ from: snapshotId })
    scene.capsules.set(one, scene.capsules.get(id)!)
  }
  try {
    await allEnded([start(), start()])
  } finally {
    await orLog(scene, scene.host.deleteSnapshot(snapshotId))
  }
}

/** @param paused the id of the capsule and that of its pause */
async function resume(scene: Scene, paused: string): Promise<void> {
  const [id = '', from = ''] = paused.split(' ')
  await scene.host.destroy(id)
  await scene.start({ id, from })
  scene.capsules.set(id, scene.snapshots.get(from)!)
  scene.snapshots.delete(from)
  await orLog(scene, scene.host.deleteSnapshot(from))
}

/** As the server does: what has succeeded does not fail for what is left of it. */
async function orLog(scene: Scene, work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => scene.lines.push(String(error)))
}

async function paused(scene: Scene): Promise<string> {
  const id = await subject(scene)
  return `${id} ${await captureAndEnd(scene, id, 'pause')}`
}

async function upkeep(scene: Scene, rules: Partial<UpkeepRules>): Promise<void> {
  await scene.reopen(rules)
  await scene.host.upkept()
}

/** Each of its steps may be done again. */
async function upgrade({ dataDir }: Scene): Promise<void> {
  const write = (name: string) => (paths: Paths) => writeSynced(join(paths.image('minimal-fake'), name), '')
  const steps = { 1: write(names.kernel), 2: write(names.initramfs) }
  await upgradeData({ dataDir, from: 1, version: '1', newest: 3, steps })
}

const manyLayers = async (scene: Scene) => scene.snapshot(await generations(scene))

let size = 1

export const operations: Operation[] = [
  { what: 'a start from an image', steps: 12, run: (scene) => startFrom(scene) },
  {
    what: 'the first start of a size, which makes an image ready',
    steps: 40,
    run: async (scene) => scene.host.destroy(await scene.start({ memoryMb: ++size })),
  },
  { what: 'a start from a snapshot', steps: 12, prepare: captured, run: startFrom },
  {
    what: 'a snapshot that keeps its source',
    steps: 20,
    prepare: subject,
    run: capture,
  },
  {
    what: 'a snapshot that ends its source',
    steps: 20,
    prepare: subject,
    run: (scene, id) => captureAndEnd(scene, id, 'template'),
  },
  { what: 'a pause', steps: 20, prepare: subject, run: (scene, id) => captureAndEnd(scene, id, 'pause') },
  { what: 'a fork', steps: 40, prepare: subject, run: fork },
  { what: 'a resume', steps: 14, prepare: paused, run: resume },
  {
    what: 'a release of a capsule whose pause was given up',
    steps: 2,
    prepare: subject,
    run: async (scene, id) => {
      const snapshotId = await scene.capture(id, { purpose: 'pause', keepSource: false })
      await orLog(scene, scene.host.deleteSnapshot(snapshotId))
      await scene.host.release(id)
    },
  },
  { what: 'the end of a capsule', steps: 3, prepare: subject, run: destroy },
  { what: 'the removal of a snapshot', steps: 2, prepare: captured, run: deleteSnapshot },
  {
    what: 'a change of a network',
    steps: 3,
    prepare: subject,
    run: (scene, id) => scene.host.setNetwork(id, { internet: false, allow: [], deny: [] }),
  },
  { what: 'to fold a snapshot', opens: true, steps: 10, prepare: captured, run: (s) => upkeep(s, { foldBytes: 0 }) },
  {
    what: 'to flatten a snapshot',
    opens: true,
    steps: 8,
    prepare: manyLayers,
    run: (s) => upkeep(s, { mostLayers: 2 }),
  },
  {
    what: 'to pack a snapshot',
    opens: true,
    steps: 8,
    prepare: captured,
    run: async (scene) => {
      await scene.reopen({ coldMs: 1 })
      await new Promise((resolve) => setTimeout(resolve, 20))
      await scene.host.upkept()
    },
  },
  {
    what: 'to shorten the disk of a capsule',
    opens: true,
    steps: 20,
    prepare: generations,
    run: async (scene, id) => {
      await scene.reopen({ mostLayers: 3 })
      await scene.host.deleteSnapshot(await scene.capture(id, { purpose: 'fork' }))
      await scene.host.upkept()
    },
  },
  {
    what: 'the taking up of what an earlier server left',
    steps: 8,
    prepare: async (scene) => {
      const held = await subject(scene)
      // Nobody knows of these.
      await scene.capture(held, { purpose: 'pause', keepSource: false })
      await scene.start()
      return held
    },
    opens: true,
    run: (scene) => scene.reopen(),
  },
  {
    what: 'an upgrade of the data directory',
    steps: 6,
    opens: true,
    opening: upgrade,
    refusal: 'host_unavailable',
    run: async (scene) => {
      await upgrade(scene)
      expect(await checkFormat(scene.dataDir, 3)).toBe(3)
    },
  },
]
