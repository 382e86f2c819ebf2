/** Builds the platform templates once, where every test run finds them again. */
import { mkdir } from 'node:fs/promises'
import { buildImages, openHost, pathsOf, startWorkers } from '@wrenn/host'
import { pino } from 'pino'
import type { TestProject } from 'vitest/node'
import { agent, cache } from '../support/vm.js'

export default async function setup(_: TestProject): Promise<void> {
  const say = (text: string) => process.stdout.write(`  [vm setup] ${text}\n`)
  await mkdir(cache, { recursive: true, mode: 0o700 })
  const workers = startWorkers()
  const images = await buildImages({ paths: pathsOf(cache), runTask: workers.run, agent, onStep: say })
  await workers.close()
  const log = pino({ level: 'silent' })
  const host = await openHost({ dataDir: cache, driver: { kind: 'qemu', accelerator: 'auto' }, log, images })
  try {
    const { vmmVersion, accelerator, acceleratorReason } = await host.facts()
    say(`QEMU ${vmmVersion} under ${accelerator}: ${acceleratorReason}`)
    for (const { id } of images) await host.makeReady(id, { vcpus: 1, memoryMb: 512 })
  } finally {
    await host.close()
  }
}
