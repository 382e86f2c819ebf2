import { Alarm, type Clock } from './clock.js'

/** A key, as far as its end is concerned. */
export interface Holding {
  keyId: string
  /** When the key expires, in milliseconds since 1970. */
  expiresAt: number | undefined
}

interface Open {
  cuts: Set<() => void>
  end: Alarm
}

/** What is under way for each key: it is cut when the key is revoked, or expires. */
export class Presence {
  readonly #open = new Map<string, Open>()
  /** Keys that were revoked in this run: what began a moment before is cut too. */
  readonly #gone = new Set<string>()

  constructor(private readonly clock: Clock) {}

  /** Registers what cuts something that is under way. @returns what is called when it has ended by itself */
  enter({ keyId, expiresAt }: Holding, cut: () => void): () => void {
    if (this.#gone.has(keyId)) {
      cut()
      return () => {}
    }
    const open = this.#open.get(keyId) ?? this.#begin(keyId, expiresAt)
    // Registered twice, it is two.
    const own = () => cut()
    open.cuts.add(own)
    return () => {
      open.cuts.delete(own)
      if (open.cuts.size > 0) return
      open.end.stop()
      if (this.#open.get(keyId) === open) this.#open.delete(keyId)
    }
  }

  /** The key is revoked. */
  dismiss(keyId: string): void {
    this.#gone.add(keyId)
    this.#cut(keyId)
  }

  #begin(keyId: string, expiresAt: number | undefined): Open {
    const open = { cuts: new Set<() => void>(), end: new Alarm(this.clock) }
    this.#open.set(keyId, open)
    if (expiresAt !== undefined) open.end.set(expiresAt, () => this.#cut(keyId))
    return open
  }

  #cut(keyId: string): void {
    for (const cut of [...(this.#open.get(keyId)?.cuts ?? [])]) cut()
  }
}
