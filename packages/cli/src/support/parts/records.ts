import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathsOf } from '@wrenn/host'
import { reasonOf } from '@wrenn/host/doctor'
import { json, type Part } from '../part.js'
import { kinds, type RecordKind } from '../record-shapes.js'

/** How many are given of each kind. */
const MOST = 200
/** A record is some kilobytes. */
const MOST_BYTES = 256 * 1024

interface Place {
  kind: RecordKind
  path: string
}

export const records: Part = {
  name: 'records',
  about: 'manifests of snapshots and images, records of capsules: fields that are known to be no secret',
  async collect({ dataDir, signal }) {
    const leftOut: string[] = []
    const given: Record<string, unknown> = {}
    for (const { kind, path } of await placesIn(dataDir, leftOut)) {
      signal.throwIfAborted()
      const name = path.slice(dataDir.length + 1)
      try {
        const text = await readFile(path, 'utf8')
        if (text.length > MOST_BYTES) throw new Error('it is longer than any that Wrenn writes')
        given[name] = kinds[kind].parse(JSON.parse(text))
      } catch (error) {
        // Whoever parses says what there is.
        const why =
          error instanceof SyntaxError
            ? 'it is no JSON'
            : 'code' in (error as object)
              ? reasonOf(error)
              : 'it has another form'
        leftOut.push(`${kind} ${Object.keys(given).length + leftOut.length + 1}: ${withoutPath(why, path)}`)
      }
    }
    return { entries: [json('records.json', given)], leftOut }
  },
}

const withoutPath = (text: string, path: string) => text.replaceAll(path, '…')

async function placesIn(dataDir: string, leftOut: string[]): Promise<Place[]> {
  const paths = pathsOf(dataDir)
  const below = async (folder: string) => {
    const names = (await readdir(folder).catch(() => [])).filter((name) => /^[a-z0-9][a-z0-9-]{0,80}$/.test(name))
    if (names.length > MOST) leftOut.push(`${names.length - MOST} more in ${folder.slice(dataDir.length + 1)}`)
    return names.slice(0, MOST)
  }
  const [capsules, snapshots, images] = await Promise.all([paths.capsules, paths.snapshots, paths.images].map(below))
  const ready = await Promise.all(
    images!.map(async (id) => (await below(paths.readyOf(id))).map((size) => join(paths.readyOf(id), size))),
  )
  return [
    { kind: 'format', path: paths.format },
    { kind: 'accelerator', path: paths.accelerator },
    ...capsules!.map((id) => ({ kind: 'capsule', path: join(paths.capsule(id), 'capsule.json') }) as const),
    ...snapshots!.map((id) => ({ kind: 'manifest', path: join(paths.snapshot(id), 'manifest.json') }) as const),
    ...images!.map((id) => ({ kind: 'image', path: join(paths.image(id), 'image.json') }) as const),
    ...ready.flat().map((dir) => ({ kind: 'manifest', path: join(dir, 'manifest.json') }) as const),
  ]
}
