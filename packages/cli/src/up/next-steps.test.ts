import { expect, test } from 'vitest'
import type { HostFacts } from '@wrenn/wire'
import { nextSteps } from './next-steps.js'
import { readSettings } from './settings.js'

const settings = readSettings({}, 0)
const limits = { maxVcpus: 1, maxMemoryMb: 512 }
const vmm = { vmm: 'qemu', vmmVersion: '10', accelerator: 'kvm', acceleratorReason: 'it works', limits }
const steps = (network: HostFacts['network']) =>
  nextSteps({ url: 'http://127.0.0.1:8080', settings, facts: { ...vmm, network }, newKey: undefined })

test('whether capsules have a network, and why, is said at the start', () => {
  expect(steps({ isThere: false, reason: 'it takes root' })).toContain('Capsules have no network: it takes root.\n')
  expect(steps({ isThere: true, reason: 'each its own' })).toContain('Capsules have a network: each its own.\n')
})
