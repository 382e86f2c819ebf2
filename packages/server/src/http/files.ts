import { Problem, tar } from '@wrenn/wire'
import type { Services } from '../services/services.js'
import { readBytes } from './bodies.js'
import type { Answer, Call, Handlers } from './call.js'
import { keptAlive, NDJSON } from './lines.js'
import { readUpload } from './upload.js'

type FileRoutes =
  'writeFile' | 'readFile' | 'streamWriteFile' | 'streamReadFile' | 'listFiles' | 'makeDir' | 'removeFile' | MoreRoutes
type MoreRoutes = 'statFile' | 'moveFile' | 'watchFiles' | 'readTar' | 'writeTar'

type Common = 'caller' | 'params' | 'signal' | 'onEnd'
type WriteCall = Pick<Call<'writeFile'>, Common | 'request'>
type ReadCall = Pick<Call<'readFile'>, Common | 'json'>

/** Files inside a capsule. The capsule's state comes before the request's body. */
export function fileHandlers(services: Services): Pick<Handlers, FileRoutes> {
  const { inside } = services
  const write = async (
    { caller, params: { id }, request, signal, onEnd }: WriteCall,
    limited: boolean,
  ): Promise<Answer> => {
    const guest = await inside.guest({ caller, id, onEnd })
    await readUpload(request, limited, (path, content) => guest.writeFile(path, content, signal))
    return { status: 204 }
  }
  const read = async ({ caller, params: { id }, json, signal, onEnd }: ReadCall): Promise<Answer> => {
    const guest = await inside.guest({ caller, id, onEnd })
    const { size, chunks } = await guest.readFile(json().path, signal)
    return {
      status: 200,
      contentType: 'application/octet-stream',
      stream: size === undefined ? chunks : exactly(size, chunks),
      size,
    }
  }
  return {
    ...moreHandlers(services),
    writeFile: (call) => write(call, true),
    streamWriteFile: (call) => write(call, false),
    readFile: read,
    streamReadFile: read,
    listFiles: async ({ caller, params: { id }, json, signal, onEnd }) => {
      const guest = await inside.guest({ caller, id, onEnd })
      const { path, depth } = json()
      return { status: 200, json: { entries: await guest.listFiles(path, Math.max(1, depth), signal) } }
    },
    makeDir: async ({ caller, params: { id }, json, signal, onEnd }) => {
      const guest = await inside.guest({ caller, id, onEnd })
      return { status: 200, json: { entry: await guest.makeDir(json().path, signal) } }
    },
    removeFile: async ({ caller, params: { id }, json, signal, onEnd }) => {
      const guest = await inside.guest({ caller, id, onEnd })
      await guest.remove(json().path, signal)
      return { status: 204 }
    },
  }
}

function moreHandlers({ inside, clock }: Services): Pick<Handlers, MoreRoutes> {
  return {
    statFile: async ({ caller, params: { id }, json, signal, onEnd }) => {
      const guest = await inside.guest({ caller, id, onEnd })
      return { status: 200, json: { entry: await guest.stat(json().path, signal) } }
    },
    moveFile: async ({ caller, params: { id }, json, signal, onEnd }) => {
      const guest = await inside.guest({ caller, id, onEnd })
      return { status: 200, json: { entry: await guest.move(json(), signal) } }
    },
    watchFiles: async ({ caller, params: { id }, json, signal, onEnd }) => {
      const guest = await inside.guest({ caller, id, onEnd })
      const { path, recursive } = json()
      const changes = await guest.watch(path, recursive, signal)
      return { status: 200, contentType: NDJSON, stream: keptAlive(changes, clock) }
    },
    readTar: async ({ caller, params: { id }, json, signal, onEnd }) => {
      const guest = await inside.guest({ caller, id, onEnd })
      return { status: 200, contentType: tar.contentType, stream: await guest.readTar(json().path, signal) }
    },
    writeTar: async ({ caller, params: { id }, query, request, signal, onEnd }) => {
      const guest = await inside.guest({ caller, id, onEnd })
      await readBytes(request, (chunks) => guest.writeTar(query.path, chunks, signal))
      return { status: 204 }
    },
  }
}

/** Holds a file to its length: one that grows is cut, and one that shrinks fails, while it is read. */
async function* exactly(size: number, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = size
  for await (const chunk of chunks) {
    yield chunk.subarray(0, left)
    left -= chunk.length
    if (left <= 0) return
  }
  if (left > 0) throw new Problem('agent_error', 'The file ended before its length.')
}
