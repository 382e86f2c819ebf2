/** `wrenn support-bundle`: one file for whoever is to find out what is wrong, without secrets. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { World } from '../context.js'
import { caseOf } from './case.js'
import { collect } from './collect.js'
import { indexOf } from './index-file.js'
import { parts } from './parts/index.js'
import { redactor, secretsOf } from './redact.js'
import { writeBundle } from './write.js'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

export interface BundleOptions {
  out?: string
  dataDir?: string
  log?: string
  names?: boolean
  url?: string
  json?: boolean
}

/** Makes the bundle, and says where it is. @throws when the file cannot be written */
export async function supportBundle(
  options: BundleOptions,
  world: Pick<World, 'env' | 'stdout' | 'stderr' | 'signal'>,
): Promise<void> {
  const env = options.dataDir ? { ...world.env, WRENN_DATA_DIR: resolve(options.dataDir) } : world.env
  const isShown = 'isTTY' in world.stderr && world.stderr.isTTY === true && !options.json
  const onProgress = (text: string) => void (isShown && world.stderr.write(`\r\x1b[K${text}`))
  const wishes = { isQuick: true, boots: false, signal: world.signal, onProgress }
  const { log, url, names = false } = options
  const about = await caseOf({ env, wishes, log, url, names, version })
  const redact = redactor(await secretsOf(about.dataDir, [env, about.env]))
  const collected = await collect(about, parts, redact)
  const at = new Date()
  const folder = `wrenn-support-${at.toISOString().slice(0, 19).replaceAll(':', '')}`
  const file = resolve(options.out ?? `${folder}.tar.gz`)
  const bytes = await writeBundle(file, [indexOf(collected, parts, at), ...collected.entries], folder)
  if (isShown) world.stderr.write('\r\x1b[K')
  const result = { file, bytes, files: collected.entries.length + 1, left_out: collected.leftOut }
  world.stdout.write(options.json ? `${JSON.stringify(result, null, 2)}\n` : told(result))
}

function told({ file, bytes, files }: { file: string; bytes: number; files: number }): string {
  return [
    `${file}  (${(bytes / 1024).toFixed(0)} KiB, ${files} files, readable by you alone)`,
    'It should hold no secret. See for yourself before you send it:',
    `  tar tzf ${file}`,
    `  tar xzOf ${file} | less`,
    '',
  ].join('\n')
}
