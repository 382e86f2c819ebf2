/** The ports of the fake guest's loopback. */
import type { Duplex } from 'node:stream'
import { FakeError } from './failure.js'

export type OnConnection = (connection: Duplex) => void

export class Ports {
  readonly #listening = new Map<number, OnConnection>()

  /** Whoever connects to the port is told to `onConnection`; what is returned ends that. */
  listen(port: number, onConnection: OnConnection): () => void {
    if (this.#listening.has(port)) throw new FakeError('exists', `Port ${port} is in use.`)
    this.#listening.set(port, onConnection)
    return () => this.#listening.delete(port)
  }

  /** What a connection to the port is told to. */
  at(port: number): OnConnection {
    if (!(port >= 1 && port <= 65_535)) throw new FakeError('invalid', 'A port is a number from 1 to 65535.')
    const found = this.#listening.get(port)
    if (!found) throw new FakeError('refused', `Nothing listens on port ${port}.`)
    return found
  }
}
