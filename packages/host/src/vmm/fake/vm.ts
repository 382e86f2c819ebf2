import type { Duplex } from 'node:stream'
import type { AgentPort, Captured, CapturePlan, ShortenDisk, Vm, VmExit, VmRecord, VmUsage } from '../types.js'
import type { FakeMachine } from './machine.js'
import { writeBase, writeState } from './memory.js'
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

  async capture({ goesOn, memory, diskLayer }: CapturePlan): Promise<Captured> {
    const began = performance.now()
    await this.pause()
    try {
      await this.world.pass('capture')
      const { state } = this.machine.guest
      this.machine.flushDisk(diskLayer)
      // As with a real one that was booted, its memory is the file.
      if (!memory) writeBase(state, this.record.memory)
      if (goesOn) await this.resume()
      const writeMemory = async () => {
        await this.world.pass('write')
        if (!memory) throw new Error('a capture without memory')
        return writeState(state, this.record.memory, memory)
      }
      return { devices: Buffer.from('{}'), pauseMs: performance.now() - began, writeMemory }
    } catch (error) {
      await this.resume()
      throw error
    }
  }

  async shortenDisk(shorten: ShortenDisk): Promise<void> {
    await this.world.pass('shorten')
    this.machine.shortenDisk(shorten)
  }

  async openPort(port: AgentPort): Promise<Duplex> {
    return this.machine.open(port)
  }

  async usage(): Promise<VmUsage> {
    return this.machine.usage
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
