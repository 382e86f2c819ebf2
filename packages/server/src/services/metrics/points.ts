import type { Sample } from '../../store/store.js'

/** What a capsule used at one time, or in the mean over a step that begins then; in seconds since 1970. */
export type Point = Omit<Sample, 'capsuleId'>

/** The mean of points, at a time. @param points at least one */
export function meanOf(points: readonly Point[], at: number): Point {
  const mean = (of: (point: Point) => number) => points.reduce((sum, point) => sum + of(point), 0) / points.length
  return {
    at,
    cpuPct: mean(({ cpuPct }) => cpuPct),
    memBytes: Math.round(mean(({ memBytes }) => memBytes)),
    diskBytes: Math.round(mean(({ diskBytes }) => diskBytes)),
  }
}

/** The means over steps of so many seconds. @param points the oldest first */
export function meansOver(points: readonly Point[], step: number): Point[] {
  const steps = new Map<number, Point[]>()
  for (const point of points) {
    const at = Math.floor(point.at / step) * step
    const there = steps.get(at)
    if (there) there.push(point)
    else steps.set(at, [point])
  }
  return [...steps].map(([at, these]) => meanOf(these, at))
}
