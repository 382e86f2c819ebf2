/** QEMU's machine protocol: JSON lines, one command at a time, events in between. */
import type { Duplex } from 'node:stream'
import { z } from 'zod'
import { decodeLines } from '../../lines.js'
import { abortable } from '../../wait.js'

const messageSchema = z.union([
  z.object({ QMP: z.object({}).loose() }),
  z.object({ event: z.string(), data: z.record(z.string(), z.unknown()).optional() }),
  z.object({ return: z.unknown(), id: z.int().optional() }),
  z.object({ error: z.object({ class: z.string(), desc: z.string() }), id: z.int().optional() }),
])

export class QmpError extends Error {
  override readonly name = 'QmpError'
}

interface Pending {
  resolve(value: unknown): void
  reject(error: Error): void
}

type Listener = (data: Record<string, unknown>) => void

/** The longest that QEMU says is a list of disk layers, of a few hundred bytes each. */
const MOST_LINE = 1024 * 1024
/** How long QEMU may take to answer a command that does no bulk work. */
const ANSWER_MS = 10_000

export class Qmp {
  readonly #pending = new Map<number, Pending>()
  readonly #listeners = new Map<string, Set<Listener>>()
  #nextId = 1
  #end: Error | undefined
  #greeted!: () => void
  readonly #greeting = new Promise<void>((resolve) => (this.#greeted = resolve))
  /** Resolves when QEMU's end is closed, which its death does too. */
  readonly closed: Promise<void>

  private constructor(private readonly socket: Duplex) {
    socket.on('error', () => socket.destroy())
    this.closed = this.#read().then(() => {
      this.#end = new QmpError('QEMU closed its control connection')
      for (const { reject } of this.#pending.values()) reject(this.#end)
      this.#pending.clear()
    })
  }

  /** Waits for QEMU's greeting, which comes when its machine is made, and negotiates. */
  static async connect(socket: Duplex, signal: AbortSignal): Promise<Qmp> {
    const qmp = new Qmp(socket)
    const ended = qmp.closed.then(() => Promise.reject(new QmpError('QEMU ended while it started')))
    await abortable(Promise.race([qmp.#greeting, ended]), signal)
    await qmp.run('qmp_capabilities')
    return qmp
  }

  /**
   * Runs a command.
   *
   * @param timeoutMs how long the answer may take
   * @throws {QmpError} with QEMU's own words when it refuses, is gone or does not answer
   */
  async run(execute: string, args: Record<string, unknown> = {}, timeoutMs = ANSWER_MS): Promise<unknown> {
    if (this.#end) throw this.#end
    const id = this.#nextId++
    const answer = new Promise<unknown>((resolve, reject) => this.#pending.set(id, { resolve, reject }))
    const timer = setTimeout(
      () => this.#settle(id)?.reject(new QmpError(`QEMU did not answer ${execute} in ${timeoutMs} ms`)),
      timeoutMs,
    )
    this.socket.write(JSON.stringify({ execute, arguments: args, id }) + '\n')
    try {
      return await answer
    } finally {
      clearTimeout(timer)
    }
  }

  /** Calls `listener` at each event of this name; the result ends that. */
  on(event: string, listener: Listener): () => void {
    const set = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, set.add(listener))
    return () => set.delete(listener)
  }

  close(): void {
    this.socket.destroy()
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    return pending
  }

  /** Resolves at the end. A QEMU that says what cannot be its answer is not one any more: the connection is closed. */
  async #read(): Promise<void> {
    try {
      for await (const line of decodeLines(this.socket as AsyncIterable<Buffer>, MOST_LINE)) this.#receive(line)
    } catch {
      // Whatever it was, nothing more comes.
    } finally {
      this.socket.destroy()
    }
  }

  #receive(line: string): void {
    const message = messageSchema.safeParse(parseJson(line)).data
    if (!message) return
    if ('QMP' in message) this.#greeted()
    else if ('event' in message) this.#listeners.get(message.event)?.forEach((listener) => listener(message.data ?? {}))
    else if (message.id !== undefined) {
      const pending = this.#settle(message.id)
      if ('error' in message) pending?.reject(new QmpError(message.error.desc))
      else pending?.resolve(message.return)
    }
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
