/**
 * A guest whose writes find no room on the host's disk is stopped by QEMU, with what it was writing: nothing is lost, and
 * nobody but us lets it go on. Each try costs QEMU one write.
 */
import type { Qmp } from './qmp.js'

/** After how long a write is tried again, in milliseconds. */
const AGAIN_MS = 2_000

export class Stalls {
  /** Whether the guest is to stand still anyway. */
  isHeld = false
  #timer: NodeJS.Timeout | undefined

  /** @param onStall told when a guest that ran stands still */
  constructor(
    private readonly qmp: Qmp,
    private readonly onStall: () => void = () => {},
  ) {
    let last = -Infinity
    qmp.on('BLOCK_IO_ERROR', ({ nospace, action }) => {
      if (nospace !== true || action !== 'stop') return
      const now = performance.now()
      if (now - last > 2 * AGAIN_MS) this.onStall()
      last = now
      this.#timer ??= setTimeout(() => this.#tryAgain(), AGAIN_MS).unref()
    })
    void qmp.closed.then(() => clearTimeout(this.#timer))
  }

  #tryAgain(): void {
    this.#timer = undefined
    if (!this.isHeld) void this.qmp.run('cont').catch(() => {})
  }
}
