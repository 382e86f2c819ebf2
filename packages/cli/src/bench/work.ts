/** Pieces that figures are made of. */
import type { Capsule } from 'wrenn'
import { TEMPLATE, type Lab } from './lab.js'

/** What a capsule has changed: random bytes, which nothing makes smaller. */
export const WRITTEN = 20_000_000
export const WRITE = `head -c ${WRITTEN} /dev/urandom > /dev/shm/blob`
const WRITE_SEC = 120

export interface Timed<T> {
  ms: number
  result: T
}

export async function timed<T>(work: () => Promise<T>): Promise<Timed<T>> {
  const began = performance.now()
  const result = await work()
  return { ms: performance.now() - began, result }
}

/** A capsule that has changed as much as most figures are about. */
export async function filledCapsule({ client, signal }: Lab): Promise<Capsule> {
  signal.throwIfAborted()
  const capsule = await client.capsules.create({ template: TEMPLATE })
  await runs(capsule, WRITE)
  return capsule
}

/** The name of a template of such a capsule. */
export async function filledTemplate(lab: Lab): Promise<string> {
  const capsule = await filledCapsule(lab)
  return (await capsule.createSnapshot()).name
}

/** Runs a command line. @throws when its exit code is not 0 */
export async function runs(capsule: Capsule, line: string): Promise<void> {
  const { exitCode, stderr } = await capsule.commands.run(line, { timeoutSec: WRITE_SEC })
  if (exitCode !== 0) throw new Error(`${line}: exit code ${exitCode}: ${stderr.trim()}`)
}

/** Starts a capsule and has it say something; resolves with the milliseconds until it was heard. */
export async function startToOutput({ client, signal }: Lab, template: string): Promise<number> {
  signal.throwIfAborted()
  const { ms, result } = await timed(async () => {
    const capsule = await client.capsules.create({ template })
    await runs(capsule, 'echo ready')
    return capsule
  })
  await result.destroy()
  return ms
}
