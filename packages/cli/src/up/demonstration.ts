/** What Wrenn is about, in ten seconds: a capsule becomes a template, and the file in it is there again. */
import { access, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Listr, PRESET_TIMER } from 'listr2'
import { Wrenn, type Capsule } from 'wrenn'

const MARK = 'demonstrated'
const NAME = 'demonstration'
const FILE = '/root/hello.txt'
const TEXT = 'written before the snapshot'

interface Scene {
  source: Capsule
  again: Capsule
}

/** Shows it, unless this data directory has seen it. A failure is shown, and is not the end of the server. */
export async function demonstrateOnce({
  dataDir,
  url,
  apiKey,
}: {
  dataDir: string
  url: string
  apiKey: string
}): Promise<void> {
  const mark = join(dataDir, MARK)
  if (
    await access(mark).then(
      () => true,
      () => false,
    )
  )
    return
  const client = new Wrenn({ baseUrl: `${url}/api`, apiKey })
  console.log('\nWhat it does, once:')
  await play(client)
    .then(() => writeFile(mark, ''))
    .catch((error: unknown) =>
      console.error(`The demonstration failed: ${error instanceof Error ? error.message : String(error)}`),
    )
}

async function play(client: Wrenn): Promise<void> {
  const scene: Partial<Scene> = {}
  try {
    await new Listr<Partial<Scene>>(
      [
        {
          title: 'start a capsule',
          task: async (on) => void (on.source = await client.capsules.create({ template: 'minimal' })),
        },
        { title: `write ${FILE} in it`, task: (on) => on.source!.files.write(FILE, TEXT) },
        {
          title: 'snapshot it: it becomes a template, and is destroyed',
          task: async (on) => void (await on.source!.createSnapshot({ name: NAME, overwrite: true })),
        },
        {
          title: 'start a new capsule from the template',
          task: async (on) => void (on.again = await client.capsules.create({ template: NAME })),
        },
        {
          title: 'read the file',
          task: async (on, task) => {
            task.title = `read ${FILE}: "${await on.again!.files.read(FILE)}"`
          },
        },
      ],
      { rendererOptions: { timer: PRESET_TIMER } },
    ).run(scene)
  } finally {
    await scene.source?.destroy().catch(() => {})
    await scene.again?.destroy().catch(() => {})
    await client.templates.delete(NAME).catch(() => {})
  }
}
