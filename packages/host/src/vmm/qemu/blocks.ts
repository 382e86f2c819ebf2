/** Disk layers that are open in QEMU, over QMP. */
import { z } from 'zod'
import { abortable } from '../../wait.js'
import type { Qmp } from './qmp.js'

const layersSchema = z.array(z.object({ 'node-name': z.string(), drv: z.string(), ro: z.boolean() }))

/**
 * Closes the layers that were opened for a capture which never came to use them: it failed, or its server died. QEMU holds
 * the lock of a writer on their files, with which no other could open a chain that has one in it.
 *
 * @param current the node that the guest writes
 */
export async function closeUnused(qmp: Qmp, current: string): Promise<void> {
  const nodes = layersSchema.parse(await qmp.run('query-named-block-nodes', { flat: true }))
  const unused = nodes.filter(({ drv, ro, ...node }) => drv === 'qcow2' && !ro && node['node-name'] !== current)
  // One that is in use after all stays: QEMU refuses.
  for (const node of unused) await qmp.run('blockdev-del', { 'node-name': node['node-name'] }).catch(() => {})
}

const JOB = 'stream'

export interface StreamInto {
  /** The node that takes the content. */
  top: string
  /** The node below which nothing is taken. */
  base: string
  /** Aborting ends the job; what was taken until then does no harm. */
  signal: AbortSignal
}

/** Copies the content of all layers between `base` and `top` into `top`; they are out of the chain then. */
export async function streamInto(qmp: Qmp, { top, base, signal }: StreamInto): Promise<void> {
  let stop = () => {}
  const ended = new Promise<void>((resolve, reject) => {
    const settle = (data: Record<string, unknown>) => {
      if (data['device'] !== JOB) return
      if (typeof data['error'] === 'string') reject(new Error(`the disk could not be copied: ${data['error']}`))
      else resolve()
    }
    const listening = ['BLOCK_JOB_COMPLETED', 'BLOCK_JOB_CANCELLED'].map((event) => qmp.on(event, settle))
    stop = () => listening.forEach((off) => off())
    void qmp.closed.then(() => reject(new Error('QEMU ended while it copied the disk')))
  })
  ended.catch(() => {})
  try {
    await qmp.run('block-stream', { 'job-id': JOB, device: top, 'base-node': base })
    await abortable(ended, signal)
  } catch (error) {
    if (signal.aborted) await qmp.run('block-job-cancel', { device: JOB }).catch(() => {})
    throw error
  } finally {
    stop()
  }
}
