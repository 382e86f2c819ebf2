/** What each route does. Every rule is a service's; here are only the shapes of requests and answers. */
import type { Services } from '../services/services.js'
import type { Handlers } from './call.js'
import { execHandlers } from './exec.js'
import { fileHandlers } from './files.js'

const done = { status: 204 }
const ok = (json: unknown) => ({ status: 200, json })
const made = (json: unknown) => ({ status: 201, json })

export function makeHandlers(services: Services, version: string): Handlers {
  const { capsules, snapshots, templates, keys } = services
  return {
    getHealth: async () => ok({ status: 'ok', version }),

    createCapsule: async ({ caller, json }) => made(await capsules.create(caller, json())),
    listCapsules: async ({ caller }) => ok(await capsules.list(caller)),
    getCapsule: async ({ caller, params }) => ok(await capsules.get(caller, params.id)),
    deleteCapsule: async ({ caller, params }) => capsules.delete(caller, params.id).then(() => done),
    pingCapsule: async ({ caller, params }) => capsules.ping(caller, params.id).then(() => done),

    ...execHandlers(services),
    ...fileHandlers(services),

    createSnapshot: async ({ caller, json, query }) =>
      made(await snapshots.create(caller, { ...json(), overwrite: query.overwrite === 'true' })),
    listSnapshots: async ({ caller, query }) => ok(await templates.list(caller, query.type)),
    getSnapshot: async ({ caller, params }) => ok(await templates.get(caller, params.name)),
    deleteSnapshot: async ({ caller, params }) => templates.delete(caller, params.name).then(() => done),

    createKey: async ({ caller, json }) => made(await keys.create(caller.teamId, json().name)),
    listKeys: async ({ caller }) => ok(await keys.list(caller.teamId)),
    revokeKey: async ({ caller, params }) => keys.revoke(caller, params.id).then(() => done),
  }
}
