/** Capsules of a host, past the server, for tests that look at what the host itself does. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Host } from '@wrenn/host'
import {
  newId,
  openNetwork,
  type Guest,
  type Purpose,
  type SnapshotInfo,
  type Source,
  type StartedCapsule,
} from '@wrenn/wire'

const signal = AbortSignal.timeout(600_000)

export interface Machine {
  id: string
  started: StartedCapsule
  guest: Guest
  /** Runs a line of shell and gives what it prints. */
  run(line: string, envs?: Record<string, string>): Promise<string>
}

/** Starts machines and takes their snapshots; `end` removes all that is left. */
export class Machines {
  readonly #capsules = new Set<string>()
  readonly #snapshots = new Set<string>()

  constructor(private readonly host: Host) {}

  async start(from: string | { snapshotId: string } = 'minimal', id = newId('capsule')): Promise<Machine> {
    const source = await this.#source(from)
    const spec = { capsuleId: id, source, vcpus: 1, memoryMb: 512, template: 'of-the-test', network: openNetwork }
    const started = await this.host.start(spec)
    this.#capsules.add(id)
    const guest = this.host.guest(id)
    return { id, started, guest, run: (line, envs) => run(guest, line, envs) }
  }

  async capture({ id }: Machine, purpose: Purpose, keepSource = true): Promise<SnapshotInfo & { snapshotId: string }> {
    const snapshotId = newId('snapshot')
    const info = await this.host.capture({ capsuleId: id, snapshotId, purpose, keepSource })
    this.#snapshots.add(snapshotId)
    return { ...info, snapshotId }
  }

  async destroy({ id }: Machine): Promise<void> {
    this.#capsules.delete(id)
    await this.host.destroy(id)
  }

  async end(): Promise<void> {
    await Promise.all([...this.#capsules].map((id) => this.host.destroy(id)))
    await Promise.all([...this.#snapshots].map((id) => this.host.deleteSnapshot(id)))
  }

  async #source(from: string | { snapshotId: string }): Promise<Source> {
    if (typeof from !== 'string') return { kind: 'snapshot', ...from }
    const image = (await this.host.images()).find(({ name }) => name === from)
    return { kind: 'image', imageId: image!.id }
  }
}

async function run(guest: Guest, line: string, envs: Record<string, string> = {}): Promise<string> {
  const { output } = await guest.exec({ cmd: 'sh', args: ['-c', line], envs }, signal)
  let said = ''
  for await (const chunk of output) {
    if (chunk.type !== 'exit') said += Buffer.from(chunk.data).toString()
    else if (chunk.exitCode !== 0) throw new Error(`${line}: exit code ${chunk.exitCode}: ${said}`)
  }
  return said.trim()
}

/** The files below a directory that hold one of these, each with what was found. */
export async function filesWith(dir: string, wanted: readonly Buffer[]): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const content = await readFile(join(entry.parentPath, entry.name))
    for (const [i, bytes] of wanted.entries()) {
      for (let at = content.indexOf(bytes); at >= 0; at = content.indexOf(bytes, at + 1))
        found.push(`${entry.name}: #${i} at ${at} (${at % 4096})`)
    }
  }
  return found
}
