import { open } from 'node:fs/promises'
import { pino } from 'pino'
import { isMissing } from '../fs/durable.js'
import { openHost } from '../open.js'
import { imagesIn } from './images.js'
import { failure, ok, reasonOf, warning, type Outcome } from './outcome.js'
import { forgetVerdict } from './verdict.js'

const SLOW = 'Capsules are emulated: they work, and are some ten times slower.'

export interface CheckKvm {
  dataDir: string
  /** What the settings ask for. */
  accelerator: 'auto' | 'kvm' | 'tcg'
  /** Whether to boot a guest even where this boot of the machine has a verdict. */
  isFresh: boolean
  device?: string
  /** What the driver says; in tests. */
  probe?: (check: CheckKvm) => Promise<{ accelerator: string; acceleratorReason: string } | undefined>
}

/** Whether guests run under KVM, by booting one. */
export async function checkKvm(check: CheckKvm): Promise<Outcome> {
  const { accelerator, device = '/dev/kvm', probe = probeByBooting } = check
  if (accelerator === 'tcg') return warning(`WRENN_ACCELERATOR asks for emulation. ${SLOW}`, { fix: 'Unset it.' })
  const obstacle = await open(device, 'r+').then(
    (handle) => handle.close(),
    (error: unknown) => error as Error,
  )
  if (obstacle && isMissing(obstacle))
    return warning(`This machine has no KVM. ${SLOW}`, {
      fix: 'Turn on virtualisation in the firmware (or nested virtualisation, in a virtual machine) and load kvm_intel or kvm_amd.',
    })
  if (obstacle)
    return warning(`${device} may not be opened by this user (${reasonOf(obstacle)}). ${SLOW}`, {
      fix: 'Add the user to the group kvm: usermod -aG kvm USER, and log in again.',
    })
  const found = await probe(check).catch((error: unknown) => error as Error)
  if (!found)
    return warning('KVM is there, and no guest was booted under it yet: there is no image.', {
      fix: 'Start the server once: it builds the images, and tries KVM with the first. Then wrenn doctor --boot tries again.',
    })
  if (found instanceof Error)
    return failure(`Whether KVM works could not be found out (${found.message}).`, { fix: 'See to QEMU first.' })
  if (found.accelerator === 'kvm') return ok(`KVM: ${found.acceleratorReason}`)
  return warning(`${found.acceleratorReason}. ${SLOW}`, {
    fix: 'See to it that virtual machines run here (nested virtualisation, firmware), then wrenn doctor --boot tries again.',
  })
}

async function probeByBooting({ dataDir, accelerator, isFresh }: CheckKvm) {
  const images = await imagesIn(dataDir)
  if (images.length === 0) return undefined
  if (isFresh) await forgetVerdict(dataDir)
  const driver = { kind: 'qemu', accelerator } as const
  // The server tries with the smallest.
  images.sort((a, b) => a.size_bytes - b.size_bytes)
  const host = await openHost({ dataDir, driver, images, log: pino({ level: 'silent' }) })
  try {
    return await host.facts()
  } finally {
    await host.close()
  }
}
