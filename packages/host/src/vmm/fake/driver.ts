/** A driver without virtual machines: the whole of Wrenn runs on it in a test, in milliseconds. */
import { readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { foldMemory } from '../../memory/apply.js'
import type {
  BootSpec,
  FlattenDisk,
  FoldMemory,
  Needs,
  RestoreSpec,
  Vm,
  VmmDriver,
  VmmProbe,
  VmRecord,
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

  constructor(private readonly world: FakeWorld) {}

  async probe(): Promise<VmmProbe> {
    return { needs, acceleratorReason: 'nothing is run at all', features: { readOnlyMemory: true } }
  }

  async boot(spec: BootSpec, signal: AbortSignal): Promise<Vm> {
    await this.world.pass('boot')
    signal.throwIfAborted()
    if ((await stat(spec.memory)).size > MEMORY_BYTES) await truncate(spec.memory, MEMORY_BYTES)
    return this.#vm(new FakeMachine(this.world, spec), spec)
  }

  async restore(spec: RestoreSpec, signal: AbortSignal): Promise<Vm> {
    await this.world.pass('restore')
    signal.throwIfAborted()
    await readFile(spec.devices)
    const state = await readState(spec.memory, spec.difference)
    const machine = new FakeMachine(this.world, spec, state as GuestState | undefined)
    machine.pause()
    return this.#vm(machine, spec)
  }

  async foldMemory(fold: FoldMemory): Promise<void> {
    await this.world.pass('fold')
    await foldMemory(fold)
  }

  async flattenDisk({ dir, root, upper, into }: FlattenDisk): Promise<void> {
    await this.world.pass('flatten')
    const at = (name: string) => join(dir, name)
    const [below, whole] = [readLayers([at(root)]) ?? {}, readLayers([root, ...upper].map(at)) ?? {}]
    await writeFile(at(into), JSON.stringify(changesBetween(below, whole)), { flag: 'wx' })
  }

  async adopt(record: VmRecord): Promise<Vm | undefined> {
    const machine = this.world.machines.get(record.pid)
    return machine && new FakeVm(this.world, machine, record)
  }

  async reclaim(): Promise<void> {}

  async close(): Promise<void> {}

  async #vm(machine: FakeMachine, { runDir, memory, logFile }: BootSpec | RestoreSpec): Promise<Vm> {
    await writeFile(logFile, '')
    const record = { kind: 'fake', pid: machine.pid, startTime: '0', runDir, memory, needs } as const
    return new FakeVm(this.world, machine, record)
  }
}
