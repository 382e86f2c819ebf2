/**
 * Makes one disk layer of several. QEMU's storage daemon does it, as a user that owns nothing but the new layer: what a
 * guest wrote is read by nothing that could harm more than that.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { makeLayer } from '../../disk/directory.js'
import type { Groups } from '../../jail/groups.js'
import { startInJail } from '../../jail/start.js'
import { kill } from '../../process/identity.js'
import { CHANNEL_FD } from '../../process/launch.js'
import { vmUser } from '../../process/user.js'
import { Undo } from '../../undo.js'
import type { FlattenDisk } from '../types.js'
import { streamInto } from './blocks.js'
import { layerBytes } from './limits.js'
import { programFile, STORAGE_DAEMON } from './places.js'
import { Qmp } from './qmp.js'

/** What the daemon may use. */
const MEMORY = 512 * 1024 * 1024
const THREADS = 128
/** How long the daemon may take to greet. */
const GREETING_MS = 20_000
/** How long the copy may take. */
const COPY_MS = 30 * 60_000

export interface Tools {
  log: Logger
  groups: Groups
}

/** Makes the layer. What it is of stays as it is. */
export async function flattenDisk(
  { log, groups }: Tools,
  { dir, root, upper, into, diskSizeMb }: FlattenDisk,
): Promise<void> {
  const uid = vmUser(into)
  await makeLayer({ path: join(dir, into), diskSizeMb, uid })
  await using undo = new Undo(log)
  const logFile = join(dir, `${into}.log`)
  undo.add('log', () => rm(logFile, { force: true }))
  const chain = [root, ...upper, into]
  const at = (name: string) => join(dir, name)
  const { identity, channel, grouped } = await startInJail({
    program: await programFile(STORAGE_DAEMON),
    args: [
      ...['--chardev', `socket,id=qmp,fd=${CHANNEL_FD}`, '--monitor', 'chardev=qmp'],
      ...chain.flatMap((name, i) => ['--blockdev', JSON.stringify(layerNode(name, { below: chain[i - 1], into }))]),
    ],
    ...{ cwd: dir, logFile, uid, readOnly: [root, ...upper].map(at), own: [at(into)], devices: [] },
    limits: { fileBytes: layerBytes(diskSizeMb), memoryBytes: MEMORY, threads: THREADS, vcpus: 1 },
    endsWithUs: true,
    group: { groups, name: nodeOf(into) },
  })
  undo.add('storage daemon', () => kill(identity))
  const qmp = await Qmp.connect(channel, AbortSignal.timeout(GREETING_MS))
  await grouped
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
