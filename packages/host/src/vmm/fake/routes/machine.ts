import { renewables } from '@wrenn/wire'
import { msOf, nsOf } from '../../../agent/clock.js'
import { PROTOCOL } from '../../../agent/shapes.js'
import type { FakeGuest } from '../guest.js'
import { hasHooks, runHooks } from '../hooks.js'
import { bytesOf, jsonOf, type Routes } from './call.js'

const GiB = 1024 ** 3

export const machineRoutes: Routes = {
  'GET /v1/health': () => ({ version: '0.0.0-fake', protocol: PROTOCOL, kernel: 'fake', uptime_ms: 1 }),
  'GET /v1/metrics': ({ guest }) => ({
    cpu: { busy: 0, total: Math.floor(performance.now() / 10), count: 1 },
    memory: { total: GiB, available: GiB, used: 0 },
    disk: { total: GiB, used: 0 },
    processes: guest.sessions.list().length,
    load: [0, 0, 0],
  }),
  'POST /v1/prepare': async ({ guest, stream }) => {
    await bytesOf(stream)
    return { hooks: await runHooks(guest, 'before-snapshot') }
  },
  'POST /v1/after-restore': async ({ guest }) => ({ hooks: await runHooks(guest, 'after-restore') }),
  'POST /v1/renew': async ({ guest, stream }) => {
    const asked = (await jsonOf(stream)) as Asked
    guest.hostname = asked.hostname
    guest.identity = { WRENN_CAPSULE_ID: asked.capsule_id, WRENN_TEMPLATE: asked.template }
    guest.clockOffsetMs = msOf(asked.unix_time_ns) - Date.now()
    const renewed = renewables.filter((part) => part !== 'ssh_host_keys')
    return { renewed, has_hooks: hasHooks(guest, 'after-restore'), unix_time_ns: clockOf(guest) }
  },
  'GET /v1/clock': ({ guest }) => ({ unix_time_ns: clockOf(guest) }),
  'POST /v1/clock': async ({ guest, stream }) => {
    const { by_ns, how } = (await jsonOf(stream)) as { by_ns: string; how: 'step' | 'slew' }
    guest.clockOffsetMs += msOf(by_ns)
    guest.corrected = how
    return undefined
  },
}

interface Asked {
  hostname: string
  capsule_id: string
  template: string
  unix_time_ns: string
}

function clockOf({ clockOffsetMs }: FakeGuest): string {
  return nsOf(Date.now() + clockOffsetMs)
}
