/**
 * Which QEMU this is, and which accelerator works. Whether KVM works cannot be looked up: /dev/kvm may exist, open and
 * make a vm, and the guest still crawls or dies. So the real guest is booted under it once; the verdict holds for this
 * boot of the machine.
 */
import { access, constants, readFile, stat } from 'node:fs/promises'
import { Problem } from '@wrenn/wire'
import { z } from 'zod'
import { isMissing, replaceFile } from '../../fs/durable.js'
import { run } from '../../process/run.js'
import type { Needs, VmmProbe } from '../types.js'
import { accelerators, type Accelerator } from './machine.js'
import { QEMU } from './places.js'

/** From 8.2 on, a read-only memory file can be mapped privately and written there. */
export const OLDEST = [8, 2] as const
const KVM = '/dev/kvm'

const verdictSchema = z.object({
  boot_id: z.string(),
  qemu_version: z.string(),
  accelerator: z.enum(['kvm', 'tcg']),
  reason: z.string(),
})
type Verdict = z.infer<typeof verdictSchema>

export interface ProbeQemu {
  /** Where the verdict is kept. */
  verdictFile: string
  /** What the operator asked for. */
  wanted: 'auto' | Accelerator['name']
  /** Boots the real guest under an accelerator until its agent answers; rejects when that does not happen in time. */
  tryBoot: (needs: Needs) => Promise<void>
}

/** Finds out which QEMU and which accelerator this machine has. */
export async function probeQemu({ verdictFile, wanted, tryBoot }: ProbeQemu): Promise<VmmProbe> {
  const vmmVersion = await qemuVersion()
  const needsFor = (name: Accelerator['name']): Needs => ({
    vmm: 'qemu',
    vmmVersion,
    accelerator: name,
    cpu: accelerators[name].cpu,
  })
  const found = (name: Accelerator['name'], acceleratorReason: string): VmmProbe => ({
    needs: needsFor(name),
    acceleratorReason,
    features: { readOnlyMemory: true },
  })
  if (wanted !== 'auto') return found(wanted, 'it was asked for')

  const absent = await kvmIsOutOfReach()
  if (absent) return found('tcg', absent)
  const boot_id = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  const known = await readVerdict(verdictFile)
  if (known?.boot_id === boot_id && known.qemu_version === vmmVersion) return found(known.accelerator, known.reason)

  const verdict = await tryBoot(needsFor('kvm')).then(
    () => ({ accelerator: 'kvm', reason: 'a guest booted under KVM' }) as const,
    (error: unknown) =>
      ({ accelerator: 'tcg', reason: `KVM is there, but a guest does not boot under it (${causeOf(error)})` }) as const,
  )
  const whole: Verdict = { boot_id, qemu_version: vmmVersion, ...verdict }
  await replaceFile(verdictFile, JSON.stringify(whole))
  return found(verdict.accelerator, verdict.reason)
}

async function qemuVersion(): Promise<string> {
  let version: string | undefined
  try {
    await run(QEMU, ['--version'], { onLine: (line) => (version ??= /version (\d+\.\d+\.\d+)/.exec(line)?.[1]) })
  } catch (cause) {
    throw new Problem('host_unavailable', 'QEMU is not installed.', {
      cause,
      hint: 'npm run setup installs it, or says how.',
    })
  }
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number)
  if (!version || major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    throw new Problem(
      'host_unavailable',
      `QEMU ${version ?? 'of an unknown version'} is too old: ${OLDEST.join('.')} or newer is needed.`,
      {
        hint: 'npm run setup installs a newer one, or says how.',
      },
    )
  }
  return version
}

/** Why KVM need not even be tried; undefined when it should be. */
async function kvmIsOutOfReach(): Promise<string | undefined> {
  try {
    if (process.getuid?.() !== 0) await access(KVM, constants.R_OK | constants.W_OK)
    const { mode, gid } = await stat(KVM)
    // QEMU never runs as root; it gets the device's group, where that may use it.
    if ((mode & 0o006) === 0o006 || (gid !== 0 && (mode & 0o060) === 0o060)) return undefined
    return `${KVM} is for root alone, and QEMU does not run as root`
  } catch (error) {
    return isMissing(error) ? 'this machine has no KVM' : `${KVM} may not be opened by this user`
  }
}

async function readVerdict(file: string): Promise<Verdict | undefined> {
  try {
    return verdictSchema.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch {
    return undefined
  }
}

function causeOf(error: unknown): string {
  let innermost = error
  while (innermost instanceof Error && innermost.cause instanceof Error) innermost = innermost.cause
  if (innermost instanceof Error && innermost.name === 'TimeoutError') return 'it does not answer in time'
  return innermost instanceof Error ? innermost.message : String(innermost)
}
