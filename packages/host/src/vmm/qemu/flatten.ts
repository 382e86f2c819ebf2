/**
 * Makes one disk layer of several. QEMU's storage daemon does it, as a user that owns nothing but the new layer: what a
 * guest wrote is read by nothing that could harm more than that.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { makeLayer } from '../../disk/directory.js'
import { kill, startTimeOf } from '../../process/identity.js'
import { launch } from '../../process/launch.js'
import { vmUser } from '../../process/user.js'
import { Undo } from '../../undo.js'
import type { FlattenDisk } from '../types.js'
import { streamInto } from './blocks.js'
import { Qmp } from './qmp.js'

const PROGRAM = 'qemu-storage-daemon'
const QMP_FD = 3
/** How long the daemon may take to greet. */
const GREETING_MS = 20_000
/** How long the copy may take. */
const COPY_MS = 30 * 60_000

/** Makes the layer. What it is of stays as it is. */
export async function flattenDisk(log: Logger, { dir, root, upper, into, diskSizeMb }: FlattenDisk): Promise<void> {
  const uid = vmUser(into)
  await makeLayer({ path: join(dir, into), diskSizeMb, uid })
  await using undo = new Undo(log)
  const logFile = join(dir, `${into}.log`)
  undo.add('log', () => rm(logFile, { force: true }))
  const chain = [root, ...upper, into]
  const { child, pid, channel } = await launch({
    program: PROGRAM,
    args: [
      ...['--chardev', `socket,id=qmp,fd=${QMP_FD}`, '--monitor', 'chardev=qmp'],
      ...chain.flatMap((name, i) => ['--blockdev', JSON.stringify(layerNode(name, { below: chain[i - 1], into }))]),
    ],
    cwd: dir,
    logFile,
    uid,
  })
  const startTime = await startTimeOf(pid)
  undo.add('storage daemon', async () => {
    if (startTime) await kill({ pid, startTime })
  })
  child.on('error', () => {})
  const qmp = await Qmp.connect(channel, AbortSignal.timeout(GREETING_MS))
  await streamInto(qmp, { top: nodeOf(into), base: nodeOf(root), signal: AbortSignal.timeout(COPY_MS) })
  await qmp.run('quit')
  await qmp.closed
}

/** A layer's name without its ending is its node's. */
function nodeOf(file: string): string {
  return file.replace(/\.qcow2$/, '')
}

function layerNode(name: string, { below, into }: { below: string | undefined; into: string }): object {
  const isTop = name === into
  return {
    driver: 'qcow2',
    'node-name': nodeOf(name),
    'read-only': !isTop,
    discard: 'unmap',
    // It is synced once, when it is whole.
    cache: { 'no-flush': true },
    file: { driver: 'file', filename: name, 'read-only': !isTop },
    backing: below === undefined ? null : nodeOf(below),
  }
}
