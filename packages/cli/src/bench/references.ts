/** What this machine can do at best: the references of single steps. */
import { randomBytes } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { timed } from './work.js'

/** Writes random bytes to a disk until they are durable; resolves with the milliseconds. */
export async function writeAndSync(dataDir: string, bytes: number): Promise<number> {
  const data = randomBytes(bytes)
  const path = join(dataDir, 'reference')
  const { ms } = await timed(async () => {
    const handle = await open(path, 'wx')
    try {
      await handle.writeFile(data)
      await handle.sync()
    } finally {
      await handle.close()
    }
  })
  await rm(path)
  return ms
}

/** Copies bytes from memory to memory; both have their pages already. Resolves with the milliseconds. */
export function copyMemory(bytes: number): number {
  const [from, to] = [Buffer.alloc(bytes, 1), Buffer.alloc(bytes, 2)]
  const began = performance.now()
  from.copy(to)
  return performance.now() - began
}
