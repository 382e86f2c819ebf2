/** What the benchmark measures against, and sees of a host, that no client could. */
export { openHostBench, type HostBench, type OpenHostBench } from './open.js'
export { coldBoot } from './cold-boot.js'
export { saveInFull, type FullSave } from './full-save.js'
export { changedByNewest, pssOf, type Changed } from './look.js'
