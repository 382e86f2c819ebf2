/** The other end of a WebSocket: messages are taken one after the other, and nothing is sent faster than it is read. */
import type { RawData, WebSocket } from 'ws'
import type { Clock } from '../services/clock.js'

/** How much of what came waits before no more is read, in bytes. */
const MOST_WAITING = 256 * 1024
/** What a message takes besides its content, roughly, in bytes. */
const OVERHEAD = 64
/** How often a silent peer is asked whether it is there, in milliseconds. */
const BEAT_MS = 30_000

/** Text, or a binary message. */
export type Message = string | Buffer

/** How it ended: with a close frame, or without one. */
export type Closed = 'closed' | 'lost'

export class Peer {
  readonly closed: Promise<Closed>
  readonly #inbox: Message[] = []
  #inboxSize = 0
  /** What was sent and not written yet. */
  readonly #sending = new Set<(isSent: boolean) => void>()
  #wake: () => void = () => {}
  isOver = false
  /** Whether nothing more that comes matters. */
  #isDeaf = false
  #isSilent = false
  #stopBeat: () => void = () => {}

  constructor(
    private readonly ws: WebSocket,
    private readonly clock: Clock,
  ) {
    ws.on('message', (data, isBinary) => this.#receive(data as Buffer & RawData, isBinary))
    ws.on('ping', () => (this.#isSilent = false))
    ws.on('pong', () => (this.#isSilent = false))
    // What is wrong with it is told to the peer by the library, and `close` follows.
    ws.on('error', () => {})
    this.closed = new Promise((resolve) => {
      ws.once('close', (code) => {
        this.#end()
        // 1006: there was no close frame.
        resolve(code === 1006 ? 'lost' : 'closed')
      })
    })
    this.#beat()
  }

  /**
   * The next message; nothing when it has closed. Only one call at a time.
   * @param withinMs how long it is waited for; then there is nothing either
   */
  async next(withinMs?: number): Promise<Message | undefined> {
    let isLate = false
    const late = () => {
      isLate = true
      this.#wake()
    }
    const cancel = withinMs === undefined ? () => {} : this.clock.after(withinMs, late)
    while (this.#inbox.length === 0 && !this.isOver && !isLate)
      await new Promise<void>((resolve) => (this.#wake = resolve))
    cancel()
    return this.#take()
  }

  /** Sends JSON or bytes, and resolves when they are written. @returns false when the peer has gone */
  send(message: object): Promise<boolean> {
    if (this.isOver) return Promise.resolve(false)
    return new Promise((resolve) => {
      const done = (isSent: boolean) => {
        this.#sending.delete(done)
        resolve(isSent)
      }
      this.#sending.add(done)
      this.ws.send(message instanceof Uint8Array ? message : JSON.stringify(message), (error) => done(!error))
    })
  }

  /** Closes it with a close frame. What still comes is not looked at. */
  close(code = 1000, reason = ''): Promise<Closed> {
    this.#isDeaf = true
    this.#inbox.length = 0
    this.#inboxSize = 0
    this.ws.resume()
    this.ws.close(code, reason)
    return this.closed
  }

  #receive(data: Buffer, isBinary: boolean): void {
    this.#isSilent = false
    if (this.#isDeaf) return
    this.#inbox.push(isBinary ? data : data.toString())
    this.#inboxSize += data.length + OVERHEAD
    if (this.#inboxSize > MOST_WAITING) this.ws.pause()
    this.#wake()
  }

  #take(): Message | undefined {
    const message = this.#inbox.shift()
    if (message === undefined) return undefined
    this.#inboxSize -= Buffer.byteLength(message) + OVERHEAD
    if (this.ws.isPaused && this.#inboxSize < MOST_WAITING / 2) this.ws.resume()
    return message
  }

  /**
   * Asks whether it is there, and cuts it off when it did not answer the time before. A peer from which nothing is read, or that has
   * output to read first, cannot be asked: whether that connection lives, the kernel finds out.
   */
  #beat(): void {
    this.#stopBeat = this.clock.after(BEAT_MS, () => {
      const canAnswer = !this.ws.isPaused && this.ws.bufferedAmount === 0
      if (this.#isSilent && canAnswer) return this.ws.terminate()
      this.#isSilent = canAnswer
      if (this.ws.bufferedAmount === 0 && this.ws.readyState === this.ws.OPEN) this.ws.ping()
      this.#beat()
    })
  }

  #end(): void {
    this.isOver = true
    this.#stopBeat()
    for (const done of this.#sending) done(false)
    this.#wake()
  }
}
