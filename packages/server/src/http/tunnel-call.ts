/** A request for a tunnel: what it reaches in the capsule and the client's connection become one. */
import { routes, type TunnelRouteName } from '@wrenn/wire'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { join } from '../proxy/join.js'
import { reset } from '../proxy/reset.js'
import type { Holder } from '../services/keys.js'
import type { Services } from '../services/services.js'
import { check } from './call.js'
import { ended } from './socket-call.js'
import type { Upgrades } from './upgrade.js'

interface Serve {
  name: TunnelRouteName
  services: Services
  upgrades: Upgrades
  request: FastifyRequest
  reply: FastifyReply
}

/** Serves one request. Failures before the connection is taken over are thrown, to be answered like all others. */
export async function serveTunnel({ name, services, upgrades, request, reply }: Serve): Promise<void> {
  const { caller } = request as FastifyRequest & { caller: Holder }
  const { id, port } = check(routes[name].params, request.params)
  const ends: (() => void)[] = []
  const end = () => ends.splice(0).forEach((done) => done())
  try {
    const guest = await services.inside.guest({ caller, id, onEnd: (done) => ends.push(done) })
    upgrades.assertTunnel(request)
    const tunnel = await guest.connect(port, ended(request))
    tunnel.once('close', end)
    const socket = upgrades.acceptTunnel(request, reply)
    if (!socket) return void tunnel.destroy()
    join(socket, tunnel)
    ends.push(services.keys.hold(caller, () => reset(socket)))
  } catch (error) {
    end()
    throw error
  }
}
