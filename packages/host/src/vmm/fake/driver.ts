/** A driver without virtual machines: the whole of Wrenn runs on it in a test, in milliseconds. */
import { readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { foldMemory } from '../../memory/apply.js'
import {
  lostBy,
  type BootSpec,
  type FlattenDisk,
  type FoldMemory,
  type Lost,
  type Needs,
  type RestoreSpec,
  type Vm,
  type VmmDriver,
  type VmmProbe,
  type VmRecord,
} from '../types.js'
import { changesBetween, readLayers } from './disk.js'
import type { GuestState } from './guest.js'
import { FakeMachine } from './machine.js'
import { readState } from './memory.js'
import { FakeVm } from './vm.js'
import type { FakeWorld } from './world.js'

const needs: Needs = { vmm: 'fake', vmmVersion: '1.0.0', accelerator: 'none', cpu: 'none' }

/** What the fake uses of its memory, whatever was asked for: all of it is read where memory is copied and digested. */
const MEMORY_BYTES = 2 * 1024 * 1024

export class FakeDriver implements VmmDriver {
  readonly kind = 'fake'

  readonly #held = new WeakSet<FakeMachine>()

  constructor(private readonly world: FakeWorld) {}

  async probe(): Promise<VmmProbe> {
    return { needs, acceleratorReason: 'nothing is run at all', features: { readOnlyMemory: true } }
  }

  async boot(spec: BootSpec, signal: AbortSignal): Promise<Vm> {
    return this.world.step('boot', async () => {
      signal.throwIfAborted()
      if ((await stat(spec.memory)).size > MEMORY_BYTES) await truncate(spec.memory, MEMORY_BYTES)
      return this.#vm(() => new FakeMachine(this.world, spec), spec)
    })
  }

  async restore(spec: RestoreSpec, signal: AbortSignal): Promise<Vm> {
    return this.world.step('restore', async () => {
      signal.throwIfAborted()
      await readFile(spec.devices)
      const state = (await readState(spec.memory, spec.difference)) as GuestState | undefined
      return this.#vm(() => {
        const machine = new FakeMachine(this.world, spec, { state })
        machine.pause()
        return machine
      }, spec)
    })
  }

  async foldMemory(fold: FoldMemory): Promise<void> {
    await this.world.step('fold', () => foldMemory(fold))
  }

  async flattenDisk({ dir, root, upper, into }: FlattenDisk): Promise<void> {
    await this.world.step('flatten', async () => {
      const at = (name: string) => join(dir, name)
      const [below, whole] = [readLayers([at(root)]) ?? {}, readLayers([root, ...upper].map(at)) ?? {}]
      await writeFile(at(into), JSON.stringify(changesBetween(below, whole)), { flag: 'wx' })
    })
  }

  async adopt(record: VmRecord): Promise<Vm | Lost> {
    return this.world.step('adopt', () => {
      const machine = this.world.machines.get(record.pid)
      if (!machine) return { lost: lostBy.end }
      if (machine.startTime !== record.startTime) return { lost: lostBy.another }
      this.#held.add(machine)
      return new FakeVm(this.world, machine, record)
    })
  }

  /** Ends machines that an earlier driver left, as those are that a host finds by where they work. */
  async reclaim(): Promise<void> {
    for (const machine of this.world.machines.values())
      if (!this.#held.has(machine)) machine.end('it belongs to no capsule')
  }

  async close(): Promise<void> {}

  /** @param begin makes the machine: from then on it is there, whatever becomes of us */
  async #vm(begin: () => FakeMachine, { runDir, memory, logFile }: BootSpec | RestoreSpec): Promise<Vm> {
    await writeFile(logFile, '')
    const machine = begin()
    this.#held.add(machine)
    const record = { kind: 'fake', pid: machine.pid, startTime: machine.startTime, runDir, memory, needs } as const
    return new FakeVm(this.world, machine, record)
  }
}
