import { createReadStream, createWriteStream } from 'node:fs'
import { rename, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import type { ReadableStream as NodeStream } from 'node:stream/web'
import { pipeline } from 'node:stream/promises'
import { type Command, CommanderError } from 'commander'
import { contextOf, type Context, type World } from '../context.js'

const REMOTE = /^(cl-[0-9a-z]{25}):(.+)$/

export function addCopyCommand(program: Command, world: World): void {
  program
    .command('cp <from> <to>')
    .description('copy a file into a capsule or out of one; inside, a path is written <id>:<path>')
    .action(async (from: string, to: string, ...[, command]: [object, Command]) => {
      const context = contextOf(command, world)
      const [source, target] = [REMOTE.exec(from), REMOTE.exec(to)]
      if (source && !target) return download(context, { id: source[1]!, path: source[2]! }, to)
      if (target && !source) return upload(context, from, { id: target[1]!, path: target[2]! })
      throw new CommanderError(2, 'wrenn.cp', 'Exactly one of the two must be in a capsule: <id>:<path>.')
    })
}

interface Inside {
  id: string
  path: string
}

async function upload({ client, signal }: Context, from: string, { id, path }: Inside): Promise<void> {
  if ((await stat(from)).isDirectory()) throw new Error(`${from} is a directory; cp copies one file.`)
  const { files } = await client.capsules.connect(id, { signal })
  const target = path.endsWith('/') ? path + basename(from) : path
  const content = Readable.toWeb(createReadStream(from)) as unknown as ReadableStream<Uint8Array>
  await files.write(target, content, { signal })
}

/** The file appears under its name when all of it is there. */
async function download({ client, signal }: Context, { id, path }: Inside, to: string): Promise<void> {
  const { files } = await client.capsules.connect(id, { signal })
  const content = await files.readStream(path, { signal })
  const isDirectory = await stat(to).then(
    (found) => found.isDirectory(),
    () => false,
  )
  const target = isDirectory ? join(to, basename(path)) : to
  const part = `${target}.part`
  try {
    await pipeline(Readable.fromWeb(content as unknown as NodeStream), createWriteStream(part))
    await rename(part, target)
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
}
