/** QEMU's own way to keep a guest: all of its memory goes through a file. The reference for our starts. */
import { open, rename, rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { randomHex } from '@wrenn/wire'
import { AgentChannel } from '../agent/channel.js'
import { prepare } from '../agent/prepare.js'
import { freeze, makeMachineDirectory, makeSparseFile } from '../disk/directory.js'
import { imageLayers } from '../paths.js'
import { vmUser } from '../process/user.js'
import { Undo } from '../undo.js'
import { fullRestoreArguments, fullSaveArguments } from '../vmm/qemu/machine.js'
import { migrate } from '../vmm/qemu/migrate.js'
import type { Qmp } from '../vmm/qemu/qmp.js'
import { spawnQemu } from '../vmm/qemu/spawn.js'
import { bootTimed } from './cold-boot.js'
import { runCommand } from './command.js'
import type { HostBench } from './open.js'

const STATE = 'full.saved'
const PREPARE_MS = 60_000
const AGENT_MS = 30_000
/** Bytes a second. QEMU's default is meant for a network between two hosts. */
const UNLIMITED = 2 ** 40

export interface FullSave {
  /** How long the save took until it was durable, in milliseconds. */
  saveMs: number
  /** Bytes of the file. */
  bytes: number
  /** Restores it once, and runs a command; resolves with the milliseconds that it took. */
  restore(): Promise<number>
  remove(): Promise<void>
}

/** Boots the image with memory of QEMU's own, runs a command line in it, and saves the whole guest. */
export async function saveInFull(bench: HostBench, line: string): Promise<FullSave> {
  const { driver, log, runTask } = bench.context
  const { needs } = await driver.probe()
  const undo = new Undo(log)
  try {
    let control: Qmp | undefined
    const { vm, machine, channel } = await bootTimed(bench, undo, async (spec, signal) => {
      const args = fullSaveArguments.bind(undefined, spec)
      const spawned = await spawnQemu({ spec, hasMemoryFile: true, needs, args, runTask, signal })
      control = spawned.qmp
      return spawned.vm
    })
    await runCommand(channel, line)
    await prepare(channel, PREPARE_MS)
    // QEMU can make no file.
    await makeSparseFile(join(machine.runDir, STATE), 0, machine.uid)
    await vm.pause()
    await control!.run('migrate-set-parameters', { 'max-bandwidth': UNLIMITED })
    const began = performance.now()
    await migrate(control!, { how: 'migrate', file: STATE, signal: bench.signal })
    const bytes = await syncFile(join(machine.runDir, STATE))
    const saveMs = performance.now() - began
    await vm.stop()
    await rename(join(machine.runDir, STATE), join(machine.dir, STATE))
    for (const name of [STATE, machine.top]) await freeze(join(machine.dir, name))
    const restore = () => restoreInFull(bench, { dir: machine.dir, top: machine.top })
    return { saveMs, bytes, restore, remove: () => undo[Symbol.asyncDispose]() }
  } catch (error) {
    await undo[Symbol.asyncDispose]()
    throw error
  }
}

async function restoreInFull(
  { context: { driver, log, paths, runTask }, image, size, signal }: HostBench,
  saved: { dir: string; top: string },
): Promise<number> {
  const { needs } = await driver.probe()
  const name = `bench-${randomHex(6)}`
  const dir = join(paths.staging, name)
  const disk = [imageLayers.root, saved.top]
  await using undo = new Undo(log)
  const began = performance.now()
  undo.add('directory', () => rm(dir, { recursive: true, force: true }))
  const machine = await makeMachineDirectory({
    dir,
    links: [...disk, STATE].map((file) => ({ name: file, path: join(saved.dir, file) })),
    disk,
    diskSizeMb: image.disk_size_mb,
    uid: vmUser(name),
  })
  const spec = { ...machine, ...size, name, memory: '' }
  const args = fullRestoreArguments.bind(undefined, spec)
  const { vm, qmp } = await spawnQemu({ spec, needs, args, runTask, signal })
  undo.add('vm', () => vm.stop())
  await migrate(qmp, { how: 'migrate-incoming', file: relative(machine.runDir, join(dir, STATE)), signal })
  await vm.resume()
  const channel = new AgentChannel(vm)
  undo.add('agent channel', () => channel.close())
  await channel.connect(AGENT_MS)
  await runCommand(channel, 'echo ready')
  return performance.now() - began
}

/** Makes a file durable; resolves with its length. */
async function syncFile(path: string): Promise<number> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
    return (await handle.stat()).size
  } finally {
    await handle.close()
  }
}
