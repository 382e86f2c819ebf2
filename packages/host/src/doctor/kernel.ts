import { failure, ok, warning, type Outcome } from './outcome.js'

/** What Wrenn is tried with begins here; what it cannot do without is older. */
const GOOD = [5, 10] as const
const OLDEST = [4, 18] as const

/** Whether the kernel is new enough, by what `uname -r` says. */
export function checkKernel(release: string): Outcome {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release) ?? []
  const isBefore = ([wantedMajor, wantedMinor]: readonly [number, number]) =>
    Number(major) < wantedMajor || (Number(major) === wantedMajor && Number(minor) < wantedMinor)
  const fix = `Use a distribution with Linux ${GOOD.join('.')} or newer.`
  if (major === undefined) return warning(`The kernel calls itself ${release}, which is no version.`, { fix })
  if (isBefore(OLDEST)) return failure(`Linux ${release} is too old.`, { fix })
  if (isBefore(GOOD)) return warning(`Linux ${release} is older than what Wrenn is tried with.`, { fix })
  return ok(`Linux ${release}`)
}
