/**
 * Every check with its number. Numbers are for ever: docs/doctor.md explains each, and a number whose check is gone is
 * not given to another.
 */
import { release } from 'node:os'
import {
  checkClock,
  checkDataDir,
  checkDataFormat,
  checkFileSystem,
  checkGroups,
  checkKernel,
  checkKvm,
  checkLeftGroups,
  checkMemory,
  checkModes,
  checkNamespaces,
  checkNetworks,
  checkNode,
  checkOrphans,
  checkProcesses,
  checkQemu,
  checkQemuFeatures,
  checkRoom,
  checkTemplates,
  checkTools,
  checkTun,
  checkUser,
  clockFacts,
  diskFacts,
  placeOf,
  skipped,
  type Outcome,
} from '@wrenn/host/doctor'
import { checkDiskAbilities, checkDiskSpeed } from './disk.js'
import { checkAgent, checkListen, checkSettings } from './settings.js'
import { checkServer, checkStore, withReferred } from './store.js'
import { storeFile, type Subject } from './subject.js'

export interface Check {
  number: string
  title: string
  run: (subject: Subject) => Outcome | Promise<Outcome>
}

/** Written when this was built. */
const self = new URL(import.meta.url).pathname
const { versions, platform, arch } = process

export const checks: readonly Check[] = [
  { number: 'W001', title: 'Node.js', run: () => checkNode({ version: versions.node, platform, arch }) },
  { number: 'W002', title: 'QEMU', run: () => checkQemu() },
  { number: 'W003', title: 'QEMU features', run: () => checkQemuFeatures() },
  { number: 'W004', title: 'KVM', run: kvm },
  { number: 'W005', title: 'Tools', run: () => checkTools() },
  { number: 'W006', title: 'Kernel', run: () => checkKernel(release()) },
  { number: 'W007', title: 'Namespaces', run: ({ isRoot }) => checkNamespaces(isRoot) },
  { number: 'W008', title: 'Control groups', run: () => checkGroups() },
  { number: 'W009', title: 'Tap devices', run: ({ isRoot }) => checkTun(isRoot) },
  { number: 'W010', title: 'User', run: ({ uid }) => checkUser(uid) },
  { number: 'W011', title: 'Memory', run: () => checkMemory() },
  {
    number: 'W012',
    title: 'Clock',
    run: async ({ dataDir }) => checkClock(await clockFacts([self, storeFile(dataDir)])),
  },
  { number: 'W020', title: 'Settings', run: checkSettings },
  { number: 'W021', title: 'Address', run: checkListen },
  { number: 'W022', title: 'Guest agent', run: checkAgent },
  { number: 'W030', title: 'Data directory', run: ({ dataDir }) => checkDataDir(dataDir) },
  {
    number: 'W031',
    title: 'Free space',
    run: async ({ dataDir }) => checkRoom(await diskFacts(await placeOf(dataDir))),
  },
  {
    number: 'W032',
    title: 'File system',
    run: async ({ dataDir }) => checkFileSystem(await diskFacts(await placeOf(dataDir))),
  },
  { number: 'W033', title: 'Files', run: ({ dataDir }) => checkDiskAbilities(dataDir) },
  { number: 'W034', title: 'Disk speed', run: ({ dataDir }) => checkDiskSpeed(dataDir) },
  { number: 'W040', title: 'Server', run: checkServer },
  { number: 'W041', title: 'Data format', run: ({ dataDir }) => checkDataFormat(dataDir) },
  { number: 'W042', title: 'Database', run: checkStore },
  { number: 'W043', title: 'Secrets', run: ({ dataDir }) => checkModes(dataDir) },
  { number: 'W044', title: 'Templates', run: templates },
  {
    number: 'W045',
    title: 'Orphans',
    run: (subject) => withReferred(subject, (referred) => checkOrphans(subject.dataDir, referred)),
  },
  {
    number: 'W046',
    title: 'Processes',
    run: (subject) => withReferred(subject, () => checkProcesses(subject.dataDir)),
  },
  {
    number: 'W047',
    title: 'Networks',
    run: (subject) => withReferred(subject, () => checkNetworks(subject.dataDir)),
  },
  {
    number: 'W048',
    title: 'Left control groups',
    run: (subject) => withReferred(subject, ({ capsuleIds }) => checkLeftGroups(subject.dataDir, capsuleIds)),
  },
]

function kvm({ settings, dataDir, boots, onProgress }: Subject): Promise<Outcome> | Outcome {
  if (settings instanceof Error) return skipped('the settings are wrong')
  onProgress('a guest is booted where none was since the start of the machine')
  return checkKvm({ dataDir, accelerator: settings.accelerator, isFresh: boots })
}

function templates({ dataDir, isQuick, signal, onProgress }: Subject): Promise<Outcome> | Outcome {
  if (isQuick) return skipped('--quick leaves it out')
  return checkTemplates({ dataDir, signal, onProgress: (done, all) => onProgress(`${done} of ${all} are checked`) })
}
