/** Calls of a server process that change files, stopped by a test (preload.mjs is the other side). */
import { execFileSync } from 'node:child_process'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** Which call, as `<name> <path> <second path>`, like `rename /from /to`. */
export interface Rule {
  call: RegExp
  /** Default: before. */
  when?: 'before' | 'after'
}

/** A call that waits. */
export interface Stopped {
  text: string
  go(): void
  /** Makes it fail with a code, like ENOSPC. */
  fail(code: string): void
}

interface Told {
  call: string
  when?: string | undefined
  /** The code that all such calls fail with. */
  fails?: string
}

interface Asks {
  rule: number
  number: number
  text: string
  isSync: boolean
}

export class FileCalls {
  readonly #threads = new Set<Socket>()
  readonly #rules = new Map<number, Told>()
  readonly #stopped = new Map<number, (stopped: Stopped) => void>()
  readonly #server: Server
  #last = 0

  private constructor(private readonly path: string) {
    this.#server = createServer((thread) => this.#take(thread)).listen(path)
    this.#tell()
  }

  /** @param path where both sides meet; what is named so is removed by `close` */
  static open(path: string): FileCalls {
    execFileSync('mkfifo', [`${path}.pipe`])
    return new FileCalls(path)
  }

  /** What a server's process is started with. */
  get nodeArguments(): string[] {
    return ['--import', fileURLToPath(new URL('preload.mjs', import.meta.url))]
  }

  get env(): Record<string, string> {
    return { FILE_CALLS: this.path }
  }

  /** Stops the next such call; resolves when it waits. */
  stop({ call, when }: Rule): Promise<Stopped> {
    const number = this.#add({ call: call.source, when })
    return new Promise((resolve) => this.#stopped.set(number, resolve))
  }

  /** Makes all such calls fail, until what it returns is called. */
  failing(call: RegExp, code: string): () => void {
    const number = this.#add({ call: call.source, fails: code })
    return () => this.#remove(number)
  }

  close(): void {
    for (const thread of this.#threads) thread.destroy()
    this.#server.close()
    const rules = Array.from({ length: this.#last }, (_, i) => `rule-${i + 1}`)
    for (const ending of ['pipe', 'rules', ...rules]) rmSync(`${this.path}.${ending}`, { force: true })
  }

  #add(rule: Told): number {
    const number = ++this.#last
    this.#rules.set(number, rule)
    this.#tell()
    return number
  }

  #remove(number: number): void {
    this.#rules.delete(number)
    this.#tell()
  }

  #tell(): void {
    const rules = [...this.#rules].map(([number, rule]) => ({ number, ...rule }))
    writeFileSync(`${this.path}.next`, JSON.stringify(rules))
    renameSync(`${this.path}.next`, `${this.path}.rules`)
  }

  #take(thread: Socket): void {
    this.#threads.add(thread)
    thread.on('error', () => {}).once('close', () => this.#threads.delete(thread))
    createInterface({ input: thread })
      .on('error', () => {})
      .on('line', (line) => this.#stop(thread, JSON.parse(line) as Asks))
  }

  #stop(thread: Socket, { rule, number, text, isSync }: Asks): void {
    this.#remove(rule)
    const answer = (code?: string) => {
      if (isSync) return void writeFile(`${this.path}.pipe`, JSON.stringify({ code }))
      thread.write(`${JSON.stringify({ number, code })}\n`)
    }
    this.#stopped.get(rule)?.({ text, go: () => answer(), fail: (code) => answer(code) })
    this.#stopped.delete(rule)
  }
}
