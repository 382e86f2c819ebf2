import { failure, ok, type Outcome } from './outcome.js'

const OLDEST = [20, 19] as const

/** Whether this Node.js is new enough, on a machine that Wrenn runs on. */
export function checkNode({ version, platform, arch }: { version: string; platform: string; arch: string }): Outcome {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (platform !== 'linux' || arch !== 'x64')
    return failure(`Wrenn runs on Linux on x86-64; this is ${platform} on ${arch}.`, { fix: 'Use such a machine.' })
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
    return failure(`Node.js ${version} is too old.`, { fix: `Install Node.js ${OLDEST.join('.')} or newer.` })
  return ok(`Node.js ${version}`)
}
