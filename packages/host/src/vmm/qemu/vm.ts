import { once } from 'node:events'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { connect } from 'node:net'
import { join, relative } from 'node:path'
import type { Duplex } from 'node:stream'
import type { Logger } from 'pino'
import { z } from 'zod'
import { names } from '../../paths.js'
import { isAlive, kill } from '../../process/identity.js'
import { shortPath } from '../../process/short-path.js'
import { usageOf } from '../../process/usage.js'
import { within } from '../../wait.js'
import type { RunTask } from '../../worker/pool.js'
import type { AgentPort, Captured, CapturePlan, ShortenDisk, Vm, VmExit, VmRecord, VmUsage } from '../types.js'
import { closeUnused } from './blocks.js'
import { readyCopy, type MemoryReader } from './copy.js'
import { sockets, writable } from './machine.js'
import type { Qmp } from './qmp.js'
import { layerNode, shortenDisk } from './shorten.js'
import { Stalls } from './stalls.js'

/** The device state is tens of kilobytes; a file larger than this is not one. */
const MOST_DEVICE_STATE = 16 * 1024 * 1024
/** How long QEMU may take to write the device state. */
const SAVE_MS = 30_000
/** How long a killed process may take to be gone. */
const DEATH_MS = 10_000

export interface QemuVmParts {
  record: VmRecord
  qmp: Qmp
  runTask: RunTask
  /** Resolves with the cause when the process ends; absent for a process that is not our child. */
  childExit?: Promise<string>
  log?: Logger | undefined
}

/** Of QEMU's list of drives, what tells which node the guest writes now. */
const driveSchema = z.array(z.object({ inserted: z.object({ 'node-name': z.string() }).optional() }))

/** One QEMU process. */
export class QemuVm implements Vm {
  readonly record: VmRecord
  readonly exited: Promise<VmExit>
  readonly #qmp: Qmp
  readonly #runTask: RunTask
  readonly #stalls: Stalls
  #stopping = false

  constructor({ record, qmp, runTask, childExit, log }: QemuVmParts) {
    this.record = record
    this.#qmp = qmp
    this.#runTask = runTask
    this.#stalls = new Stalls(qmp, () =>
      log?.error({ dir: record.runDir }, 'the disk is full: a capsule stands still until there is room'),
    )
    const lostControl = qmp.closed.then(() => 'QEMU ended')
    const end = childExit ? Promise.race([childExit, lostControl]) : lostControl
    this.exited = end.then(async (reason) => {
      const wanted = this.#stopping
      await this.#makeSure(wanted)
      return { reason, wanted }
    })
  }

  async pause(): Promise<void> {
    this.#stalls.isHeld = true
    await this.#qmp.run('stop')
  }

  async resume(): Promise<void> {
    // Also when this is not answered in time: it is to run.
    this.#stalls.isHeld = false
    await this.#qmp.run('cont')
  }

  async capture({ goesOn, memory, diskLayer }: CapturePlan): Promise<Captured> {
    const { pid, memory: base } = this.record
    // Whatever need not be of the instant is done before it.
    const [reader, putLayer] = await Promise.all([
      memory && readyCopy({ pid, base }, { goesOn, into: memory, runTask: this.#runTask }),
      diskLayer === undefined ? undefined : this.#openLayer(diskLayer),
    ])
    const began = performance.now()
    try {
      // A QEMU that does not answer this in time may do it all the same, later: what takes it back comes behind it.
      await this.pause()
      const [devices] = await Promise.all([this.#saveDevices(), reader?.read(), putLayer?.()])
      if (goesOn) await this.resume()
      return { devices, pauseMs: performance.now() - began, writeMemory: writerOf(reader) }
    } catch (error) {
      await this.resume().catch(() => {})
      throw error
    }
  }

  /** Opens an empty layer; what is returned puts it over the disk. */
  async #openLayer(path: string): Promise<() => Promise<void>> {
    const drives = driveSchema.parse(await this.#qmp.run('query-block'))
    const current = drives.find(({ inserted }) => inserted)!.inserted!['node-name']
    await closeUnused(this.#qmp, current)
    const node = layerNode(path)
    const filename = relative(this.record.runDir, path)
    await this.#qmp.run('blockdev-add', {
      driver: 'qcow2',
      'node-name': node,
      discard: 'unmap',
      cache: { 'no-flush': true },
      file: { driver: 'file', filename, ...writable },
      backing: null,
    })
    return async () => void (await this.#qmp.run('blockdev-snapshot', { node: current, overlay: node }))
  }

  shortenDisk(shorten: ShortenDisk): Promise<void> {
    return shortenDisk(this.#qmp, this.record.runDir, shorten)
  }

  async openPort(port: AgentPort): Promise<Duplex> {
    const short = await shortPath(join(this.record.runDir, sockets[port]))
    try {
      const socket = connect(short.path)
      socket.on('error', () => socket.destroy())
      await within(
        DEATH_MS,
        once(socket, 'connect'),
        () => new Error(`QEMU does not accept a connection for the ${port} port`),
      )
      return socket
    } finally {
      await short.close()
    }
  }

  usage(): Promise<VmUsage> {
    return usageOf(this.record)
  }

  async consoleTail(): Promise<string> {
    const text = await this.#qmp.run('ringbuf-read', { device: 'console', size: 8192 }).catch(() => '')
    return typeof text === 'string' ? text.trimEnd() : ''
  }

  async stop(): Promise<VmExit> {
    this.#stopping = true
    await kill(this.record)
    return within(DEATH_MS, this.exited, () => new Error(`process ${this.record.pid} does not end`))
  }

  detach(): void {
    this.#stopping = true
    this.#qmp.close()
  }

  /** QEMU writes a file that it was given; what it wrote is copied, never followed or trusted. */
  async #saveDevices(): Promise<Buffer> {
    const name = names.savedDevices
    const saved = join(this.record.runDir, name)
    await this.#qmp.run('xen-save-devices-state', { filename: name, live: false }, SAVE_MS)
    const handle = await open(saved, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const { size } = await handle.stat()
      if (size === 0 || size > MOST_DEVICE_STATE) throw new Error(`a device state of ${size} bytes`)
      // It may still be written: no more is taken than what it was.
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(size), 0, size, 0)
      return buffer.subarray(0, bytesRead)
    } finally {
      await handle.truncate().catch(() => {})
      await handle.close()
    }
  }

  /**
   * A QEMU that closes its control connection, or whose jail has lost its keeper, is gone, or no longer ours to trust: it
   * is made sure that it is gone.
   */
  async #makeSure(wanted: boolean): Promise<void> {
    if (!wanted && (await isAlive(this.record))) await kill(this.record)
  }
}

function writerOf(reader: MemoryReader | undefined): Captured['writeMemory'] {
  if (reader) return () => reader.write()
  return () => Promise.reject(new Error('a capture without memory'))
}
