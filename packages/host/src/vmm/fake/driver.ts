/** A driver without virtual machines: the whole of Wrenn runs on it in a test, in milliseconds. */
import { readFile, writeFile } from 'node:fs/promises'
import type { BootSpec, Needs, RestoreSpec, Vm, VmmDriver, VmmProbe, VmRecord } from '../types.js'
import type { GuestState } from './guest.js'
import { FakeMachine } from './machine.js'
import { FakeVm } from './vm.js'
import type { FakeWorld } from './world.js'

const needs: Needs = { vmm: 'fake', vmmVersion: '1.0.0', accelerator: 'none', cpu: 'none' }

export class FakeDriver implements VmmDriver {
  readonly kind = 'fake'

  constructor(private readonly world: FakeWorld) {}

  async probe(): Promise<VmmProbe> {
    return { needs, acceleratorReason: 'nothing is run at all', features: { readOnlyMemory: true } }
  }

  async boot(spec: BootSpec, signal: AbortSignal): Promise<Vm> {
    await this.world.pass('boot')
    signal.throwIfAborted()
    return this.#vm(new FakeMachine(this.world, spec.name), spec)
  }

  async restore(spec: RestoreSpec, signal: AbortSignal): Promise<Vm> {
    await this.world.pass('restore')
    signal.throwIfAborted()
    await readFile(spec.devices)
    const state = spec.difference ? (JSON.parse(await readFile(spec.difference, 'utf8')) as GuestState) : undefined
    const machine = new FakeMachine(this.world, spec.name, state)
    machine.pause()
    return this.#vm(machine, spec)
  }

  async adopt(record: VmRecord): Promise<Vm | undefined> {
    const machine = this.world.machines.get(record.pid)
    return machine && new FakeVm(this.world, machine, record)
  }

  async #vm(machine: FakeMachine, { runDir, memory, logFile }: BootSpec | RestoreSpec): Promise<Vm> {
    await writeFile(logFile, '')
    const record = { kind: 'fake', pid: machine.pid, startTime: '0', runDir, memory, needs } as const
    return new FakeVm(this.world, machine, record)
  }
}
