import { open, readdir } from 'node:fs/promises'
import { pathsOf } from '@wrenn/host'
import { reasonOf } from '@wrenn/host/doctor'
import { join } from 'node:path'
import type { Found, Part } from '../part.js'
import { serverLine, vmmLine } from '../log-lines.js'

/** How much of a log's end is read. */
const END_BYTES = 64 * 1024
const SERVER_END_BYTES = 512 * 1024
const MOST_CAPSULES = 50

export const logs: Part = {
  name: 'logs',
  about: 'the ends of the logs: lines that programs of Wrenn write, without what they quote',
  async collect({ dataDir, logFile, signal }) {
    const paths = pathsOf(dataDir)
    const ids = (await readdir(paths.capsules).catch(() => [])).filter((id) => /^cl-[0-9a-z]{25}$/.test(id))
    const found: Found & { leftOut: string[] } = { entries: [], leftOut: [] }
    if (ids.length > MOST_CAPSULES) found.leftOut.push(`the logs of ${ids.length - MOST_CAPSULES} more capsules`)
    const files = [
      ...ids.slice(0, MOST_CAPSULES).map((id) => ({
        name: `logs/${id}.txt`,
        path: join(paths.capsule(id), 'vmm.log'),
        bytes: END_BYTES,
        choose: vmmLine,
      })),
      ...(logFile === undefined
        ? []
        : [{ name: 'logs/server.txt', path: logFile, bytes: SERVER_END_BYTES, choose: serverLine }]),
    ]
    if (logFile === undefined)
      found.leftOut.push("the server's log: it is in no file that is known here; --log names it")
    for (const { name, path, bytes, choose } of files) {
      signal.throwIfAborted()
      try {
        const lines = await endOf(path, bytes)
        const kept = lines.flatMap((line) => choose(line) ?? [])
        if (lines.length > kept.length)
          found.leftOut.push(`${lines.length - kept.length} lines of ${name}: of another form`)
        if (kept.length > 0) found.entries.push({ name, content: `${kept.join('\n')}\n` })
      } catch (error) {
        found.leftOut.push(`${name}: ${reasonOf(error)}`)
      }
    }
    return found
  },
}

/** The whole lines at a file's end. */
async function endOf(path: string, bytes: number): Promise<string[]> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    const from = Math.max(0, size - bytes)
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(Math.min(size, bytes)), 0, Math.min(size, bytes), from)
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n')
    return lines.slice(from > 0 ? 1 : 0).filter((line) => line !== '')
  } finally {
    await handle.close()
  }
}
