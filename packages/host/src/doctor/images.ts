import { openImage, type Image } from '../images/store.js'
import { entries } from '../fs/durable.js'
import { pathsOf } from '../paths.js'

/** The images of a data directory that can be opened. */
export async function imagesIn(dataDir: string): Promise<Image[]> {
  const paths = pathsOf(dataDir)
  const ids = await entries(paths.images)
  const found = await Promise.all(ids.map((id) => openImage(paths, id).catch(() => undefined)))
  return found.filter((image) => image !== undefined)
}
