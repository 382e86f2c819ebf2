/** Files in a capsule, over its agent. */
import { fileChangeSchema, isProblem, type FileChange, type Guest } from '@wrenn/wire'
import { contentOf } from './body.js'
import type { AgentChannel } from './channel.js'
import { decodeLines } from '../lines.js'
import { entriesSchema, entrySchema, lengthSchema, parsed, silent } from './shapes.js'
import { upload } from './upload.js'

type Files = Pick<
  Guest,
  ('writeFile' | 'readFile' | 'listFiles' | 'stat' | 'makeDir' | 'move' | 'remove') | ('readTar' | 'writeTar' | 'watch')
>

/** Two paths of 4096 bytes with every byte escaped, and the rest. */
const MOST_LINE = 64 * 1024
/** How long the next piece of a file may take while it is waited for. */
const STALL_MS = 60_000

export function filesOf(channel: AgentChannel): Files {
  const entry = async (method: 'GET' | 'POST', path: string, signal: AbortSignal) =>
    (await channel.json({ method, path, signal }, entrySchema)).entry
  return {
    writeFile: (path, chunks, signal) => upload(channel, { method: 'PUT', path: at('', { path }), signal }, chunks),

    async readFile(path, signal) {
      const { headers, body } = await channel.open({ method: 'GET', path: at('', { path }), signal })
      // What makes no sense is as good as nothing: the size is only a help.
      return { size: lengthSchema.safeParse(headers['content-length']).data, chunks: contentOf(body, signal, STALL_MS) }
    },

    async listFiles(path, depth, signal) {
      const asked = { method: 'GET', path: at('/list', { path, depth: String(depth) }), signal } as const
      return (await channel.json(asked, entriesSchema)).entries
    },

    stat: (path, signal) => entry('GET', at('/stat', { path }), signal),
    makeDir: (path, signal) => entry('POST', at('/mkdir', { path }), signal),
    move: ({ from, to, overwrite }, signal) =>
      entry('POST', at('/move', { path: from, to, overwrite: String(overwrite) }), signal),
    remove: (path, signal) => channel.done({ method: 'DELETE', path: at('', { path }), signal }),

    async readTar(path, signal) {
      const { body } = await channel.open({ method: 'GET', path: at('/tar', { path }), signal })
      return contentOf(body, signal, STALL_MS)
    },
    writeTar: (path, chunks, signal) => upload(channel, { method: 'PUT', path: at('/tar', { path }), signal }, chunks),

    async watch(path, recursive, signal) {
      const asked = { method: 'GET', path: at('/watch', { path, recursive: String(recursive) }), signal } as const
      const { body } = await channel.open(asked)
      return changesOf(contentOf(body, signal), signal)
    },
  }
}

function at(call: string, query: Record<string, string>): string {
  return `/v1/files${call}?${new URLSearchParams(query).toString().replaceAll('+', '%20')}`
}

async function* changesOf(chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<FileChange> {
  try {
    for await (const line of decodeLines(chunks, MOST_LINE)) yield parsed(fileChangeSchema, line)
  } catch (error) {
    signal.throwIfAborted()
    throw isProblem(error) ? error : silent('while it was watched', error)
  }
}
