import type { FileChange } from '@wrenn/wire'
import { pack, unpack } from '../files/archive.js'
import { watch } from '../files/watch.js'
import { answered, bytesOf, written, type Call, type Routes } from './call.js'

const path = ({ query }: Call) => query.get('path') ?? ''
const flag = ({ query }: Call, name: string) => query.get(name) === 'true'

export const fileRoutes: Routes = {
  'GET /v1/files': (call) => {
    const content = call.guest.tree.read(path(call))
    call.stream.respond({ ':status': 200, 'content-length': content.length })
    call.stream.end(content)
    return answered
  },
  'PUT /v1/files': async (call) => {
    call.guest.tree.write(path(call), await bytesOf(call.stream))
    return undefined
  },
  'DELETE /v1/files': (call) => {
    call.guest.tree.remove(path(call))
    return undefined
  },
  'GET /v1/files/list': (call) => ({ entries: call.guest.tree.list(path(call), Number(call.query.get('depth') ?? 1)) }),
  'GET /v1/files/stat': (call) => ({ entry: call.guest.tree.stat(path(call)) }),
  'POST /v1/files/mkdir': (call) => ({ entry: call.guest.tree.makeDir(path(call)) }),
  'POST /v1/files/move': (call) => ({
    entry: call.guest.tree.move(path(call), call.query.get('to') ?? '', flag(call, 'overwrite')),
  }),
  'GET /v1/files/tar': async (call) => {
    const { guest, stream } = call
    guest.tree.stat(path(call))
    stream.respond({ ':status': 200 })
    for await (const chunk of pack(guest.tree, path(call))) await written(stream, chunk)
    stream.end()
    return answered
  },
  'PUT /v1/files/tar': async (call) => {
    await unpack(call.guest.tree, path(call), await bytesOf(call.stream))
    return undefined
  },
  'GET /v1/files/watch': watchRoute,
}

function watchRoute(call: Call): typeof answered {
  const { guest, stream } = call
  let hasMissed = false
  // Whoever reads too slowly misses changes and is told so.
  const tell = (change: FileChange) => {
    if (stream.destroyed || hasMissed) return
    if (!stream.writableNeedDrain) return void stream.write(`${JSON.stringify(change)}\n`)
    hasMissed = true
    stream.once('drain', () => {
      hasMissed = false
      tell({ type: 'overflow' })
    })
  }
  const leave = watch({
    tree: guest.tree,
    path: path(call),
    isRecursive: flag(call, 'recursive'),
    tell,
    onEnd: () => stream.end(),
  })
  stream.once('close', leave)
  stream.respond({ ':status': 200 })
  return answered
}
