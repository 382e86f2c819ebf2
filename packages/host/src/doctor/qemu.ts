import { isProblem } from '@wrenn/wire'
import { oldestQemu, qemuProgram } from '../vmm/registry.js'
import { ask } from './ask.js'
import { failure, ok, reasonOf, warning, type Outcome } from './outcome.js'

type Ask = typeof ask

const INSTALL = 'npm run setup installs it, or says how.'

/** Whether QEMU is there and new enough. */
export async function checkQemu(asking: Ask = ask): Promise<Outcome> {
  const lines = await asking(qemuProgram, '--version').catch(() => undefined)
  if (!lines) return failure(`There is no ${qemuProgram} that can be run.`, { fix: INSTALL })
  const version = /version (\d+\.\d+\.\d+)/.exec(lines.join('\n'))?.[1]
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number)
  if (!version || major < oldestQemu[0] || (major === oldestQemu[0] && minor < oldestQemu[1])) {
    const fix = `${oldestQemu.join('.')} or newer is needed: before, a read-only memory file could not be mapped. ${INSTALL}`
    return failure(`QEMU ${version ?? 'of an unknown version'} is too old.`, { fix })
  }
  return ok(`QEMU ${version}`)
}

/** Whether this QEMU has what Wrenn uses: the machine, the accelerators, and the sandbox for itself. */
export async function checkQemuFeatures(asking: Ask = ask): Promise<Outcome> {
  try {
    // Whoever asks for help has the sandbox set up before it is given.
    const machines = await asking(qemuProgram, '-sandbox', 'on', '-machine', 'help')
    const accelerators = await asking(qemuProgram, '-accel', 'help')
    const has = (lines: string[], name: string) => lines.some((line) => line.trim().split(' ')[0] === name)
    if (!has(machines, 'microvm'))
      return failure('This QEMU has no machine microvm.', { fix: `Install a QEMU that has it. ${INSTALL}` })
    const there = ['kvm', 'tcg'].filter((name) => has(accelerators, name))
    if (there.length === 0)
      return failure('This QEMU has neither KVM nor TCG.', { fix: `Install a QEMU that has them. ${INSTALL}` })
    if (!there.includes('kvm'))
      return warning('This QEMU was built without KVM: capsules are emulated, and slow.', {
        fix: `Install a QEMU with KVM. ${INSTALL}`,
      })
    return ok(`machine microvm, ${there.join(' and ')}, system calls filtered`)
  } catch (error) {
    const what = isProblem(error) ? error.message : reasonOf(error)
    return failure(`QEMU does not start with its system calls filtered (${what}).`, {
      fix: `Install a QEMU that was built with seccomp. ${INSTALL}`,
    })
  }
}
