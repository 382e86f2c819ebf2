import { bootImage, type Booted } from '../images/ready.js'
import { Undo } from '../undo.js'
import { randomHex } from '@wrenn/wire'
import type { BootSpec, Vm } from '../vmm/types.js'
import { runCommand } from './command.js'
import type { HostBench } from './open.js'

type Boot = (spec: BootSpec, signal: AbortSignal) => Promise<Vm>

/** Boots the image cold and runs a command; resolves with the milliseconds from the process's start to its output. */
export async function coldBoot(bench: HostBench): Promise<number> {
  const { driver, log } = bench.context
  await using undo = new Undo(log)
  const { channel, began } = await bootTimed(bench, undo, (spec, signal) => driver.boot(spec, signal))
  await runCommand(channel, 'echo ready')
  return performance.now() - began
}

/** Boots the image; `began` is when the try that succeeded did, since those that hung say nothing of a boot. */
export async function bootTimed(bench: HostBench, undo: Undo, boot: Boot): Promise<Booted & { began: number }> {
  const { context, image, size, signal } = bench
  let began = 0
  let stop = () => {}
  const onAbort = () => stop()
  signal.addEventListener('abort', onAbort, { once: true })
  undo.add('abort', () => signal.removeEventListener('abort', onAbort))
  const booted = await bootImage({
    ...{ context, image, size, undo, log: context.log },
    name: `bench-${randomHex(6)}`,
    boot: async (spec, limit) => {
      signal.throwIfAborted()
      began = performance.now()
      const vm = await boot(spec, limit)
      stop = () => void vm.stop().catch(() => {})
      return vm
    },
  })
  return { ...booted, began }
}
