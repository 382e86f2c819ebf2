/** State that QEMU writes to a file or reads from one. */
import { within } from '../../wait.js'
import type { Qmp } from './qmp.js'

/** How long QEMU may take for it. */
const MIGRATE_MS = 30_000

export interface Migrate {
  how: 'migrate' | 'migrate-incoming'
  /** Named from where the process works. */
  file: string
  signal: AbortSignal
}

/** Lets QEMU write or read its state, and waits for its word that it is complete. */
export async function migrate(qmp: Qmp, { how, file, signal }: Migrate): Promise<void> {
  const what = how === 'migrate' ? 'save its state' : 'load its state'
  let stop = () => {}
  const complete = new Promise<void>((resolve, reject) => {
    const off = qmp.on('MIGRATION', ({ status }) => {
      if (status === 'completed') resolve()
      if (status === 'failed') reject(new Error(`QEMU could not ${what}`))
    })
    const onAbort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', onAbort, { once: true })
    stop = () => {
      off()
      signal.removeEventListener('abort', onAbort)
    }
    void qmp.closed.then(() => reject(new Error(`QEMU ended while it was to ${what}`)))
  })
  complete.catch(() => {})
  try {
    await qmp.run('migrate-set-capabilities', { capabilities: [{ capability: 'events', state: true }] })
    await qmp.run(how, { uri: `file:${file}` })
    await within(MIGRATE_MS, complete, () => new Error(`QEMU did not ${what} in ${MIGRATE_MS} ms`))
  } finally {
    stop()
  }
}
