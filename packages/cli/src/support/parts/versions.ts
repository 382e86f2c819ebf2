import { release, version as kernelBuild } from 'node:os'
import { ask, reasonOf } from '@wrenn/host/doctor'
import { DATA_FORMAT } from '@wrenn/host'
import { json, type Part } from '../part.js'

const programs = {
  qemu: ['qemu-system-x86_64', '--version'],
  bwrap: ['bwrap', '--version'],
  ip: ['ip', '-V'],
  nft: ['nft', '--version'],
  setpriv: ['setpriv', '--version'],
} as const

export const versions: Part = {
  name: 'versions',
  about: 'of Wrenn, of what it runs on and of what it runs',
  patienceMs: 20_000,
  async collect({ version }) {
    const asked = await Promise.all(
      Object.entries(programs).map(async ([name, [program, word]]) => {
        const lines = await ask(program, word).catch((error: unknown) => [`could not be asked: ${reasonOf(error)}`])
        return [name, lines[0] ?? ''] as const
      }),
    )
    const { node, openssl, v8 } = process.versions
    const own = { wrenn: version, data_format: DATA_FORMAT, node, v8, openssl }
    return {
      entries: [
        json('versions.json', { ...own, kernel: release(), kernel_build: kernelBuild(), ...Object.fromEntries(asked) }),
      ],
    }
  },
}
