/** What each route does. Every rule is a service's; here are only the shapes of requests and answers. */
import type { Timed } from '../services/context.js'
import type { Services } from '../services/services.js'
import type { Answer, Handlers } from './call.js'
import { execHandlers } from './exec.js'
import { fileHandlers } from './files.js'
import { observeHandlers } from './observe.js'

const done = { status: 204 }
const ok = (json: unknown) => ({ status: 200, json })
const made = (json: unknown) => ({ status: 201, json })
const timed = (status: number, { body, timings }: Timed<unknown>): Answer => ({ status, json: body, timings })

export function makeHandlers(services: Services, version: string): Handlers {
  const { keys } = services
  return {
    getHealth: async () => ok({ status: 'ok', version }),

    ...capsuleHandlers(services),
    ...execHandlers(services),
    ...fileHandlers(services),
    ...snapshotHandlers(services),
    ...versionHandlers(services),
    ...observeHandlers(services),

    createKey: async ({ caller, json, begun }) => made(await keys.create(caller, json(), begun)),
    listKeys: async ({ caller }) => ok(await keys.list(caller.teamId)),
    revokeKey: async ({ caller, params }) => keys.revoke(caller, params.id).then(() => done),
  }
}

type CapsuleRoutes =
  | 'createCapsule'
  | 'listCapsules'
  | 'getCapsule'
  | 'deleteCapsule'
  | 'setNetwork'
  | 'pingCapsule'
  | 'pauseCapsule'
  | 'resumeCapsule'
  | 'forkCapsule'

function capsuleHandlers(services: Services): Pick<Handlers, CapsuleRoutes> {
  const { capsules, creation, networks, pausing, resuming, forks } = services
  return {
    createCapsule: async ({ caller, json, begun }) => timed(201, await creation.create(caller, json(), begun)),
    listCapsules: async ({ caller }) => ok(await capsules.list(caller)),
    getCapsule: async ({ caller, params }) => ok(await capsules.get(caller, params.id)),
    deleteCapsule: async ({ caller, params }) => capsules.delete(caller, params.id).then(() => done),
    setNetwork: async ({ caller, params, json }) => {
      await networks.assertCanChange(caller, params.id)
      return ok(await networks.set(caller, params.id, json()))
    },
    pingCapsule: async ({ caller, params }) => capsules.ping(caller, params.id).then(() => done),
    pauseCapsule: async ({ caller, params }) => timed(200, await pausing.pause(caller, params.id)),
    resumeCapsule: async ({ caller, params }) => timed(200, await resuming.resume(caller, params.id)),
    forkCapsule: async ({ caller, params, json, begun }) => {
      const made = begun && (await forks.made(caller, begun))
      if (made) return timed(201, made)
      const source = await forks.source(caller, params.id)
      return timed(201, await forks.fork(caller, source, { wanted: json(), begun }))
    },
  }
}

type SnapshotRoutes = 'createSnapshot' | 'listSnapshots' | 'getSnapshot' | 'deleteSnapshot'

function snapshotHandlers({ snapshots, templates }: Services): Pick<Handlers, SnapshotRoutes> {
  return {
    createSnapshot: async ({ caller, json, query, begun }) =>
      timed(201, await snapshots.create(caller, { ...json(), overwrite: query.overwrite === 'true' }, begun)),
    listSnapshots: async ({ caller, query }) => ok(await templates.list(caller, query.type)),
    getSnapshot: async ({ caller, params }) => ok(await templates.get(caller, params.name)),
    deleteSnapshot: async ({ caller, params }) => templates.delete(caller, params.name).then(() => done),
  }
}

type VersionRoutes = 'listVersions' | 'deleteVersion' | 'rollbackSnapshot' | 'verifySnapshot'

function versionHandlers({ versions, verification }: Services): Pick<Handlers, VersionRoutes> {
  return {
    listVersions: async ({ caller, params }) => ok(await versions.list(caller, params.name)),
    deleteVersion: async ({ caller, params }) => versions.delete(caller, params.name, params.version).then(() => done),
    rollbackSnapshot: async ({ caller, params, json }) =>
      ok(await versions.rollback(caller, params.name, json().version)),
    verifySnapshot: async ({ caller, params, json }) =>
      ok(await verification.verify(caller, params.name, json().version)),
  }
}
