/**
 * How a terminal's output is sent: as text messages with base64, or as binary messages. Published Python clients up to 0.2 understand only
 * the former, and those from 0.3 on only the latter, and nothing in their requests tells them apart: both come as `python-httpx`. What does is what
 * they say. From 0.3 on they answer a `ping` message with `pong` and send what is typed as binary messages; the older ones
 * send `input`. So these clients are sent a `ping` first, and output is held back for a moment until one or the other has come. Everyone else gets base64, as
 * the API says, and binary messages once they have sent one or a `pong`.
 */
import type { Clock } from '../services/clock.js'

/** How long a client has to show what it understands, in milliseconds. */
const PROBE_MS = 1_000

/** What a client sent that tells what it understands. */
export type Evidence = 'pong' | 'binary' | 'input'

export class OutputMode {
  /** Whether the client has to be sent a `ping` right after its opening. */
  readonly isProbing: boolean
  /** Resolves when output may be sent. */
  readonly decided: Promise<void>
  isBinary = false
  #decide: () => void = () => {}
  #cancel: () => void = () => {}

  constructor(userAgent: string | undefined, clock: Clock) {
    this.isProbing = userAgent?.startsWith('python-httpx') ?? false
    this.decided = this.isProbing ? new Promise((resolve) => (this.#decide = resolve)) : Promise.resolve()
    if (this.isProbing) this.#cancel = clock.after(PROBE_MS, () => this.#decide())
  }

  heard(evidence: Evidence): void {
    // An older client never sends the others, so they count whenever they come.
    if (evidence !== 'input') this.isBinary = true
    this.end()
  }

  /** Nothing is waited for any more. */
  end(): void {
    this.#cancel()
    this.#decide()
  }
}
