import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { failure, ok, warning, type Outcome } from './outcome.js'

interface Tool {
  program: string
  why: string
  /** Whether there is nothing at all without it. */
  isNeeded: boolean
}

const tools: readonly Tool[] = [
  { program: 'qemu-img', why: 'makes disk images', isNeeded: true },
  { program: 'mmdebstrap', why: 'builds templates from packages', isNeeded: true },
  { program: 'mke2fs', why: 'makes their file systems', isNeeded: true },
  { program: 'tar', why: 'unpacks packages', isNeeded: true },
  { program: 'zstd', why: 'unpacks the kernel', isNeeded: true },
  { program: 'lz4', why: 'unpacks the kernel', isNeeded: true },
  { program: 'xz', why: 'unpacks the kernel', isNeeded: true },
  { program: 'bwrap', why: 'jails each QEMU', isNeeded: false },
  { program: 'nft', why: 'filters what capsules reach', isNeeded: false },
  { program: 'ip', why: 'gives capsules a network', isNeeded: false },
]

/** Where programs are looked for; those of administrators are not in everybody's PATH. */
const MORE = ['/usr/sbin', '/sbin']

/** Whether the programs that Wrenn runs are there. Nothing is run. */
export async function checkTools(
  path = process.env['PATH'] ?? '/usr/bin:/bin',
  more: readonly string[] = MORE,
): Promise<Outcome> {
  const folders = [...new Set([...path.split(delimiter), ...more])]
  const found = await Promise.all(tools.map(async (tool) => ({ ...tool, isThere: await isIn(folders, tool.program) })))
  const missing = found.filter(({ isThere }) => !isThere)
  const items = missing.map(({ program, why }) => `${program}: ${why}`)
  const bad = { fix: 'npm run setup installs what is missing, or says how.', items }
  const text = `Missing: ${missing.map(({ program }) => program).join(', ')}.`
  if (missing.some(({ isNeeded }) => isNeeded)) return failure(text, bad)
  return missing.length > 0 ? warning(text, bad) : ok(tools.map(({ program }) => program).join(', '))
}

async function isIn(folders: string[], program: string): Promise<boolean> {
  for (const folder of folders) {
    const isThere = await access(join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isThere) return true
  }
  return false
}
