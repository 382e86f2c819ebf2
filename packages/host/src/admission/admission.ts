/** Whether what is about to begin fits on this machine. What does not is refused before anything of it is begun. */
import { Problem, type Room } from '@wrenn/wire'
import type { Amount, Machine } from './machine.js'

const MiB = 1024 * 1024
const GiB = 1024 * MiB

export interface Reserves {
  /** How many times the memory of the machine capsules may have been promised together. Default 4. */
  memoryOvercommit?: number | undefined
  /** What of the memory stays free, in MiB. Default: 5 %, at least 256. */
  memoryReserveMb?: number | undefined
  /** Below how much free space nothing is kept any more, in MiB. Default: 5 %, at least 1024; a quarter of a small disk. */
  diskReserveMb?: number | undefined
}

const OVERCOMMIT = 4
/**
 * What a capsule takes soon after its start: its vmm, and the pages that its guest writes. Clones share the rest, so
 * that what it was promised would be far too much.
 */
const EXPECTED = { fixedBytes: 48 * MiB, share: 0.1 }
/** Without this much space nothing is started either: what a capsule writes needs some. */
const LEAST_DISK = 64 * MiB
/** After how many seconds there may be room again: capsules end sooner than templates are deleted. */
const RETRY_SEC = { memory: 10, disk: 60 }

export class Admission {
  /** Of starts under way, in MiB each. */
  readonly #starting = new Set<{ memoryMb: number }>()

  /** @param promisedMb memory that the capsules that run have been promised */
  constructor(
    private readonly machine: Machine,
    private readonly promisedMb: () => number,
    private readonly reserves: Reserves = {},
  ) {}

  /**
   * Makes room for a start until `end` is called.
   * @throws Problem `no_hosts_available`, `insufficient_storage`
   */
  async begin(memoryMb: number): Promise<{ end: () => void }> {
    // Counted at once: another may come while the machine is asked.
    const start = { memoryMb }
    const end = () => void this.#starting.delete(start)
    this.#starting.add(start)
    try {
      await this.#assertMemory()
      const disk = await this.machine.disk()
      if (disk.freeBytes < LEAST_DISK) throw fullDisk(disk.freeBytes)
      return { end }
    } catch (error) {
      end()
      throw error
    }
  }

  /** Whether so many starts would fit now. @throws Problem `no_hosts_available`, `insufficient_storage` */
  async assertStarts(count: number, memoryMb: number): Promise<void> {
    await this.#assertMemory(Array<number>(count).fill(memoryMb))
    await this.#assertDisk(0)
  }

  /**
   * Whether a capture fits.
   * @param usedBytes memory of the host that the capsule uses: its difference is not larger
   * @param goesOn whether the difference is copied into memory first
   * @throws Problem `no_hosts_available`, `insufficient_storage`
   */
  async assertCapture(usedBytes: number, goesOn: boolean): Promise<void> {
    await this.#assertDisk(usedBytes)
    if (!goesOn) return
    const memory = await this.machine.memory()
    if (memory.freeBytes - usedBytes < this.#memoryReserve(memory)) throw noMemory()
  }

  async room(): Promise<Omit<Room, 'startsWaiting' | 'capturesWaiting'>> {
    const [memory, disk] = await Promise.all([this.machine.memory(), this.machine.disk()])
    return {
      memoryFreeBytes: memory.freeBytes,
      memoryReserveBytes: this.#memoryReserve(memory),
      memoryPromisedBytes: this.#promised() * MiB,
      memoryMostPromisedBytes: this.#mostPromised(memory),
      diskFreeBytes: disk.freeBytes,
      diskReserveBytes: this.#diskReserve(disk),
    }
  }

  /** @param more starts that are to be, in MiB each */
  async #assertMemory(more: number[] = []): Promise<void> {
    const memory = await this.machine.memory()
    const wanted = [...this.#starting].map(({ memoryMb }) => memoryMb).concat(more)
    const expected = wanted.reduce((sum, mb) => sum + EXPECTED.fixedBytes + mb * MiB * EXPECTED.share, 0)
    if (memory.freeBytes - expected < this.#memoryReserve(memory)) throw noMemory()
    const promised = this.#promised() + more.reduce((sum, mb) => sum + mb, 0)
    if (promised * MiB > this.#mostPromised(memory)) throw noMemory()
  }

  #promised(): number {
    return [...this.#starting].reduce((sum, { memoryMb }) => sum + memoryMb, this.promisedMb())
  }

  #mostPromised({ totalBytes }: Amount): number {
    return totalBytes * (this.reserves.memoryOvercommit ?? OVERCOMMIT)
  }

  #memoryReserve({ totalBytes }: Amount): number {
    const { memoryReserveMb } = this.reserves
    return memoryReserveMb === undefined ? Math.max(256 * MiB, totalBytes * 0.05) : memoryReserveMb * MiB
  }

  #diskReserve({ totalBytes }: Amount): number {
    const { diskReserveMb } = this.reserves
    if (diskReserveMb !== undefined) return diskReserveMb * MiB
    return Math.min(Math.max(GiB, totalBytes * 0.05), totalBytes / 4)
  }

  async #assertDisk(bytes: number): Promise<void> {
    const disk = await this.machine.disk()
    const isFull = disk.freeBytes < this.#diskReserve(disk) || disk.freeBytes - bytes < LEAST_DISK
    if (isFull) throw fullDisk(disk.freeBytes)
  }
}

function noMemory(): Problem {
  return new Problem('no_hosts_available', 'This host has not enough free memory for this now.', {
    hint: 'Nothing was begun. Pause or delete capsules, or try again later.',
    retryAfterSec: RETRY_SEC.memory,
  })
}

function fullDisk(freeBytes: number): Problem {
  return new Problem('insufficient_storage', 'There is not enough free disk space on this host.', {
    hint: `Nothing was begun; ${Math.floor(freeBytes / MiB)} MiB are free. Delete templates or capsules that you no longer need.`,
    retryAfterSec: RETRY_SEC.disk,
  })
}
