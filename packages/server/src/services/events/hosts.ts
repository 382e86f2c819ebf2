import { system } from './action.js'
import type { Events } from './events.js'

/** How often in a row a host does not answer before it counts as down. */
const MOST_SILENT = 3

/** Whether the host answers, told to every team that listens. There is one host today. */
export class HostState {
  #silent = 0

  constructor(private readonly events: Events) {}

  /** It was asked for something. */
  heard(isAnswering: boolean): void {
    const wasDown = this.#silent >= MOST_SILENT
    this.#silent = isAnswering ? 0 : this.#silent + 1
    if (wasDown && isAnswering) this.#tell('host.up')
    if (this.#silent === MOST_SILENT) this.#tell('host.down')
  }

  #tell(event: 'host.up' | 'host.down'): void {
    this.events.publishToAll({ event, resource: { id: 'local', type: 'host' }, actor: system })
  }
}
