import { stat } from 'node:fs/promises'
import { basename, join, posix, resolve } from 'node:path'
import { type Command, CommanderError } from 'commander'
import { WrennNotFoundError, type Files } from 'wrenn'
import { contextOf, type Context, type World } from '../context.js'
import { downloadFile, uploadFile } from '../copy/files.js'
import { downloadTree, uploadTree } from '../copy/trees.js'

const REMOTE = /^(cl-[0-9a-z]{25}):(.+)$/

interface CopyOptions {
  recursive?: boolean
}

export function addCopyCommand(program: Command, world: World): void {
  program
    .command('cp <from> <to>')
    .description('copy a file into a capsule or out of one; inside, a path is written <id>:<path>')
    .option('-r, --recursive', 'a directory with all that it holds; links are kept as they are')
    .addHelpText('after', '\nInto a directory that exists, it is copied under its own name, as with cp.')
    .action(async (from: string, to: string, ...[options, command]: [CopyOptions, Command]) => {
      const context = contextOf(command, world)
      const [source, target] = [REMOTE.exec(from), REMOTE.exec(to)]
      if (source && !target) return download(context, { id: source[1]!, path: source[2]!, here: to }, options)
      if (target && !source) return upload(context, { id: target[1]!, path: target[2]!, here: from }, options)
      throw new CommanderError(2, 'wrenn.cp', 'Exactly one of the two must be in a capsule: <id>:<path>.')
    })
}

/** A path in a capsule and one of this machine. */
interface Pair {
  id: string
  path: string
  here: string
}

async function upload({ client, signal }: Context, { id, path, here }: Pair, options: CopyOptions): Promise<void> {
  const isTree = (await stat(here)).isDirectory()
  if (isTree && !options.recursive) throw needsRecursive(here)
  const { files } = await client.capsules.connect(id, { signal })
  const isInto = path.endsWith('/') || (isTree && (await isDirectoryInside(files, path, signal)))
  const to = isInto ? posix.join(path, basename(resolve(here))) : path
  await (isTree ? uploadTree : uploadFile)(files, { from: here, to, signal })
}

async function download({ client, signal }: Context, { id, path, here }: Pair, options: CopyOptions): Promise<void> {
  const { files } = await client.capsules.connect(id, { signal })
  // Only with -r is it asked for: what is read as one file says itself when it is none.
  const isTree = options.recursive === true && (await isDirectoryInside(files, path, signal))
  const isInto = await stat(here).then(
    (found) => found.isDirectory(),
    () => here.endsWith('/'),
  )
  const to = isInto ? join(here, posix.basename(posix.resolve('/', path))) : here
  await (isTree ? downloadTree : downloadFile)(files, { from: path, to, signal })
}

/** A link to a directory is none. */
async function isDirectoryInside(files: Files, path: string, signal: AbortSignal): Promise<boolean> {
  try {
    return (await files.stat(path, { signal })).type === 'directory'
  } catch (error) {
    if (error instanceof WrennNotFoundError) return false
    throw error
  }
}

function needsRecursive(path: string): Error {
  return new Error(`${path} is a directory. With -r, it is copied with all that it holds.`)
}
