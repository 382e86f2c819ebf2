/** A shorter chain of disk layers under a running guest: one takes the place of several whose content it holds. */
import { basename, extname, relative } from 'node:path'
import { z } from 'zod'
import type { ShortenDisk } from '../types.js'
import type { Qmp } from './qmp.js'

const nodesSchema = z.array(z.object({ 'node-name': z.string(), drv: z.string(), ro: z.boolean(), file: z.string() }))

/** The name of a layer's node when it was opened by its own name: that without its ending. */
export const layerNode = (path: string) => basename(path, extname(path))

/** Opens the new layer, puts it below `above`, and closes those that it replaces. The guest goes on meanwhile. */
export async function shortenDisk(
  qmp: Qmp,
  runDir: string,
  { root, replaced, into, above }: ShortenDisk,
): Promise<void> {
  const nodes = nodesSchema.parse(await qmp.run('query-named-block-nodes', { flat: true }))
  const isOpen = (name: string) => nodes.some((node) => node['node-name'] === name)
  const fileNode = (path: string) => {
    const found = nodes.find(({ drv, file }) => drv === 'file' && basename(file) === basename(path))
    if (!found) throw new Error(`QEMU does not have ${basename(path)} open`)
    return found['node-name']
  }
  // Layers from the command line are numbered, but for the one that was the guest's first.
  const nodeOf = (path: string) => {
    const numbered = fileNode(path).replace(/^file/, 'layer')
    return [layerNode(path), numbered].find(isOpen) ?? 'disk'
  }
  const qcow2 = { driver: 'qcow2', discard: 'unmap', cache: { 'no-flush': true } }
  const file = { driver: 'file', filename: relative(runDir, into), 'read-only': true }
  const name = layerNode(into)
  await qmp.run('blockdev-add', { ...qcow2, 'node-name': name, 'read-only': true, file, backing: nodeOf(root) })
  const node = nodeOf(above)
  const { ro } = nodes.find((one) => one['node-name'] === node)!
  try {
    const options = [{ ...qcow2, 'node-name': node, 'read-only': ro, file: fileNode(above), backing: name }]
    await qmp.run('blockdev-reopen', { options })
  } catch (error) {
    await qmp.run('blockdev-del', { 'node-name': name }).catch(() => {})
    throw error
  }
  // What is not open was replaced before, by a server that ended before it could write that down.
  const isFileOpen = (path: string) => nodes.some(({ file }) => basename(file) === basename(path))
  for (const path of replaced.filter(isFileOpen).toReversed())
    await qmp.run('blockdev-del', { 'node-name': nodeOf(path) })
}
