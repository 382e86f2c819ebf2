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

  pause(): Promise<void> {
    return this.world.step('pause', () => this.machine.pause())
  }

  resume(): Promise<void> {
    return this.world.step('resume', () => this.machine.resume())
  }

  async capture({ goesOn, memory, diskLayer }: CapturePlan): Promise<Captured> {
    const began = performance.now()
    await this.pause()
    try {
      const state = await this.world.step('capture', () => {
        const { state } = this.machine.guest
        this.machine.flushDisk(diskLayer)
        // As with a real one that was booted, its memory is the file.
        if (!memory) writeBase(state, this.record.memory)
        return state
      })
      if (goesOn) await this.resume()
      const writeMemory = () =>
        this.world.step('write', () => {
          if (!memory) throw new Error('a capture without memory')
          return writeState(state, this.record.memory, memory)
        })
      return { devices: Buffer.from('{}'), pauseMs: performance.now() - began, writeMemory }
    } catch (error) {
      await this.resume()
      throw error
    }
  }

  shortenDisk(shorten: ShortenDisk): Promise<void> {
    return this.world.step('shorten', () => this.machine.shortenDisk(shorten))
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
    await this.world.step('stop', () => this.machine.end('it was stopped'))
    return this.exited
  }

  detach(): void {
    this.#wanted = true
  }
}
