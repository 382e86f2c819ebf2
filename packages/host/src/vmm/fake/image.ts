/** A platform template for the fake machine: the files of an image, with nothing in them. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createOverlay } from '../../disk/qcow2.js'
import { openImage, writeImage, type Image } from '../../images/store.js'
import { imageLayers, names, type Paths } from '../../paths.js'

const MiB = 1024 * 1024

/** Makes the image, unless it is there. `more`: what else its recipe says. */
export async function makeFakeImage(
  paths: Paths,
  name: string,
  more: Pick<Image, 'service' | 'min_memory_mb'> = {},
): Promise<Image> {
  const id = `${name}-fake`
  const present = await openImage(paths, id)
  if (present) return present
  const dir = paths.image(id)
  await mkdir(dir, { recursive: true })
  for (const file of [names.kernel, names.initramfs]) await writeFile(join(dir, file), '')
  await createOverlay(join(dir, imageLayers.root), 64 * MiB)
  return writeImage(dir, { id, name, disk_size_mb: 64, size_bytes: MiB, kernel: 'fake', ...more })
}
