import type { CapsuleBody, RouteName, TemplateBody, VersionBody } from '@wrenn/wire'
import { Api, type Answer, type Ask as Request } from '../../../../test/support/api.js'
import type { Gate } from './faults.js'
import type { Point } from './memory-host.js'
import type { Serving } from './serve.js'

/** What most tests ask of a server, in words. */
export class Ask {
  readonly api: Api

  constructor(private readonly on: Serving) {
    this.api = new Api(on)
  }

  /** The id of a new capsule. */
  async capsule(json: object = {}): Promise<string> {
    const answer = await this.api.call('createCapsule', { json })
    if (answer.status !== 201) throw new Error(`no capsule: ${answer.bytes.toString()}`)
    return (answer.body as CapsuleBody).id
  }

  of(name: RouteName, id: string, more: Request = {}): Promise<Answer> {
    return this.api.call(name, { params: { id }, ...more })
  }

  get = async (id: string) => (await this.of('getCapsule', id)).body as CapsuleBody
  status = async (id: string) => (await this.get(id)).status
  pause = (id: string) => this.of('pauseCapsule', id)
  resume = (id: string) => this.of('resumeCapsule', id)
  remove = (id: string) => this.of('deleteCapsule', id)
  fork = (id: string, json?: object) => this.of('forkCapsule', id, json === undefined ? {} : { json })
  inside = (id: string) => this.of('listProcesses', id)

  snapshot = (json: object, query = '') => this.api.call('createSnapshot', { json, query })
  template = (name: string) => this.api.call('getSnapshot', { params: { name } })
  versions = (name: string) => this.api.call('listVersions', { params: { name } })
  removeTemplate = (name: string) => this.api.call('deleteSnapshot', { params: { name } })
  removeVersion = (name: string, version: string | number) =>
    this.api.call('deleteVersion', { params: { name, version: String(version) } })
  rollback = (name: string, json?: object) =>
    this.api.call('rollbackSnapshot', { params: { name }, ...(json === undefined ? {} : { json }) })
  verify = (name: string, json: object = {}) => this.api.call('verifySnapshot', { params: { name }, json })

  note = (id: string, text: string) => void this.on.host.capsule(id).files.set('/note', Buffer.from(text))
  read = (id: string) => this.on.host.capsule(id).files.get('/note')?.toString()

  /** The next version of a template, whose capsules have a note that says `text`. */
  async made(name: string, text: string, more: object = {}): Promise<TemplateBody> {
    const id = await this.capsule()
    this.note(id, text)
    const answer = await this.snapshot({ sandbox_id: id, name, ...more }, '?overwrite=true')
    if (answer.status !== 201) throw new Error(`no template: ${answer.bytes.toString()}`)
    return answer.body as TemplateBody
  }

  /** The numbers of the versions that are kept, the one that the name means marked. */
  async numbers(name: string): Promise<(number | string)[]> {
    const versions = (await this.versions(name)).body as VersionBody[] | { error: unknown }
    if (!Array.isArray(versions)) throw new Error(`no versions of ${name}`)
    return versions.map(({ version, current }) => (current ? `${version}!` : version))
  }

  /** Holds the host at a point until something has come there. */
  async at(point: Point, begin: () => Promise<unknown>): Promise<{ gate: Gate; asked: Promise<unknown> }> {
    const gate = this.on.host.faults.hold(point)
    const asked = begin()
    asked.catch(() => {})
    while (gate.arrived === 0) await new Promise((resolve) => setTimeout(resolve, 2))
    return { gate, asked }
  }
}
