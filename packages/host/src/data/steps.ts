/** The way from each format of a data directory to the next. */
import type { Paths } from '../paths.js'

/**
 * Brings a directory to the next format. It runs while no other server can, with no capsule taken up yet, and it may
 * find its own work half done, or done: whatever breaks off is done again at the next start.
 */
export type Step = (paths: Paths) => Promise<void>

/** By the format that a step begins with. What was released is never changed: a change is a new one. */
export const steps: Readonly<Record<number, Step>> = {}
