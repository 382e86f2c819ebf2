import { link, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** Makes a folder whose files are those of another: hard links, which cost nothing and leave the other as it is. */
export async function linkTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) await linkTree(source, target)
    else await link(source, target)
  }
}
