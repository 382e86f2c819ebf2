import { PROTOCOL } from '../../../agent/shapes.js'
import { jsonOf, type Routes } from './call.js'

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
  'POST /v1/prepare': () => undefined,
  'POST /v1/renew': async ({ guest, stream }) => {
    const { hostname } = (await jsonOf(stream)) as { hostname: string }
    guest.hostname = hostname
    return { renewed: ['random', 'clock', 'hostname', 'machine_id', 'identity'] }
  },
}
