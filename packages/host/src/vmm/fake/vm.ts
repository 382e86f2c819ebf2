import { writeFile } from 'node:fs/promises'
import type { Duplex } from 'node:stream'
import type { AgentPort, Capture, CaptureInto, Vm, VmExit, VmRecord } from '../types.js'
import type { FakeMachine } from './machine.js'
import type { FakeWorld } from './world.js'

/** A driver's hold on a fake machine. */
export class FakeVm implements Vm {
  readonly exited: Promise<VmExit>
  #wanted = false

  constructor(
    private readonly world: FakeWorld,
    private readonly machine: FakeMachine,
    readonly record: VmRecord,
  ) {
    this.exited = machine.ended.then((reason) => ({ reason, wanted: this.#wanted }))
  }

  async pause(): Promise<void> {
    await this.world.pass('pause')
    this.machine.pause()
  }

  async resume(): Promise<void> {
    this.machine.resume()
  }

  async capture({ difference, devices }: CaptureInto): Promise<Capture> {
    await this.world.pass('capture')
    if (!this.machine.paused) throw new Error('a capture of a machine that runs')
    const state = JSON.stringify(this.machine.guest.state)
    await writeFile(devices, '{}', { flag: 'wx' })
    if (!difference) return { changedBytes: 0 }
    await writeFile(difference, state, { flag: 'wx' })
    return { changedBytes: state.length }
  }

  async addDiskLayer(_path: string): Promise<void> {}

  async openPort(port: AgentPort): Promise<Duplex> {
    return this.machine.open(port)
  }

  async consoleTail(): Promise<string> {
    return ''
  }

  async stop(): Promise<VmExit> {
    this.#wanted = true
    this.machine.end('it was stopped')
    return this.exited
  }

  detach(): void {
    this.#wanted = true
  }
}
