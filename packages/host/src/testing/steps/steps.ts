/**
 * The steps of a host: each call that changes a file of its data directory, and each thing that its driver or its
 * networks do. Tests stand around them.
 */
import { relative, sep } from 'node:path'
import { aroundFileCalls } from '../../faults/file-calls.js'
import type { FakeWorld } from '../../vmm/fake/world.js'
import type { Around } from './network.js'

export interface Where {
  dataDir: string
  world: FakeWorld
}

export class Steps {
  /** What stands around each step from now on. */
  around: Around = (_, work) => work()
  #end: () => void = () => {}

  static async of({ dataDir, world }: Where): Promise<Steps> {
    const steps = new Steps()
    const isInside = (path: string) => path === dataDir || path.startsWith(dataDir + sep)
    const endFiles = await aroundFileCalls(({ name, paths, isSync: cannotWait }, work) => {
      if (!paths.some(isInside)) return work()
      const step = [name, ...paths.map((path) => relative(dataDir, path) || '.')].join(' ')
      // Nobody pulls the plug here, so that the disk need not be waited for.
      return steps.around(step, isSync(step) ? () => undefined : work, cannotWait)
    })
    world.around = async (point, work) => steps.around(`vmm.${point}`, work)
    steps.#end = () => {
      endFiles()
      world.around = (_, work) => work()
    }
    return steps
  }

  end(): void {
    this.#end()
  }
}

/** Whether a step only makes something durable. */
export function isSync(step: string): boolean {
  return /^(handle\.)?(f?data|f)?sync/.test(step)
}
