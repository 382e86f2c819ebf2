/** A file system of its own for a data directory, so small that a test fills it. */
import { execFile } from 'node:child_process'
import { mkdtemp, open, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cached } from './vm.js'

const run = promisify(execFile)
const MiB = 1024 * 1024

export class SmallDisk {
  private constructor(
    readonly dir: string,
    private readonly image: string,
  ) {}

  /** @throws where none can be mounted, as without root */
  static async make(sizeMb: number): Promise<SmallDisk> {
    const base = await mkdtemp(join(await cached('disks'), 'run-'))
    const [dir, image] = [base, `${base}.ext4`]
    try {
      const file = await open(image, 'wx')
      await file.truncate(sizeMb * MiB)
      await file.close()
      await run('mkfs.ext4', ['-q', '-m', '0', '-E', 'lazy_itable_init=1', image])
      await run('mount', ['-o', 'loop', image, dir])
      return new SmallDisk(dir, image)
    } catch (error) {
      await rm(image, { force: true })
      await rm(dir, { recursive: true })
      throw error
    }
  }

  async freeBytes(): Promise<number> {
    const { bsize, bavail } = await statfs(this.dir)
    return bavail * bsize
  }

  /** Takes all but so many bytes. What it returns gives them back. */
  async fill(leave = 0): Promise<() => Promise<void>> {
    const path = join(this.dir, `ballast-${performance.now()}`)
    await run('fallocate', ['-l', String(Math.max((await this.freeBytes()) - leave, 4096)), path]).catch(() => {})
    // What fallocate's own tables have left.
    if (leave === 0) await run('dd', ['if=/dev/zero', `of=${path}.rest`, 'bs=4096', 'status=none']).catch(() => {})
    return async () => {
      await rm(path, { force: true })
      await rm(`${path}.rest`, { force: true })
    }
  }

  async remove(): Promise<void> {
    await run('umount', [this.dir]).catch(() => run('umount', ['-l', this.dir]))
    await rm(this.image, { force: true })
    await rm(this.dir, { recursive: true, force: true })
  }
}
