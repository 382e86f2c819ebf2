import type { FileChange, FileEntry } from '@wrenn/wire'
import { WrennNotFoundError } from './errors.js'
import { multipartStream } from './multipart.js'
import type { MakeOptions, RequestOptions, Transport } from './transport.js'
import { watchFiles } from './watch.js'

export interface MoveOptions extends RequestOptions {
  /** Whether what is at the new path is replaced. Default false. */
  overwrite?: boolean
}

export interface WatchOptions extends RequestOptions {
  /** Whether the directories below are watched too. Default false. */
  recursive?: boolean
}

/** Files in a capsule. `~` and relative paths mean below /root. */
export class Files {
  readonly #transport: Transport
  readonly #path: string

  constructor(transport: Transport, capsuleId: string) {
    this.#transport = transport
    this.#path = `/v1/capsules/${capsuleId}/files`
  }

  /** A file's content as text. @throws {WrennNotFoundError} */
  async read(path: string, options: RequestOptions = {}): Promise<string> {
    return (await this.#open(path, options)).text()
  }

  /** A file's content. @throws {WrennNotFoundError} */
  async readBytes(path: string, options: RequestOptions = {}): Promise<Uint8Array> {
    return new Uint8Array(await (await this.#open(path, options)).arrayBuffer())
  }

  /** A file's content as it comes, of any size. @throws {WrennNotFoundError} */
  async readStream(path: string, options: RequestOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return (await this.#open(path, options)).body!
  }

  /** Writes a file, making its directories; what was there is replaced when all has come. A stream may have any size. */
  async write(
    path: string,
    content: string | Uint8Array | Blob | ReadableStream<Uint8Array>,
    { signal }: RequestOptions = {},
  ): Promise<void> {
    const asked = { method: 'POST', path: `${this.#path}/stream/write`, signal, timeoutMs: 0 } as const
    if (content instanceof ReadableStream) {
      const { body, contentType } = multipartStream(path, content)
      return this.#transport.done({ ...asked, body, headers: { 'content-type': contentType } })
    }
    const form = new FormData()
    form.append('path', path)
    form.append(
      'file',
      content instanceof Blob ? content : new Blob([content as string | Uint8Array<ArrayBuffer>]),
      'file',
    )
    return this.#transport.done({ ...asked, body: form })
  }

  /** The entries of a directory, `depth` levels deep. Default 1: its immediate children. @throws {WrennNotFoundError} */
  async list(path: string, { depth = 1, signal }: RequestOptions & { depth?: number } = {}): Promise<FileEntry[]> {
    const asked = {
      method: 'POST',
      path: `${this.#path}/list`,
      json: { path, depth },
      repeatable: true,
      signal,
    } as const
    return (await this.#transport.json<{ entries: FileEntry[] }>(asked)).entries
  }

  /** What is at a path; of a symlink, the link itself. @throws {WrennNotFoundError} */
  async stat(path: string, { signal }: RequestOptions = {}): Promise<FileEntry> {
    const asked = { method: 'POST', path: `${this.#path}/stat`, json: { path }, repeatable: true, signal } as const
    return (await this.#transport.json<{ entry: FileEntry }>(asked)).entry
  }

  /** Whether there is something at a path. */
  async exists(path: string, options: RequestOptions = {}): Promise<boolean> {
    try {
      await this.stat(path, options)
      return true
    } catch (error) {
      if (error instanceof WrennNotFoundError) return false
      throw error
    }
  }

  /**
   * Moves a file or a directory, making the directories of its new path.
   * @throws {WrennConflictError} when something is there and `overwrite` is not set; {WrennNotFoundError}
   */
  async move(from: string, to: string, { overwrite = false, signal }: MoveOptions = {}): Promise<FileEntry> {
    const asked = { method: 'POST', path: `${this.#path}/move`, json: { from, to, overwrite }, signal } as const
    return (await this.#transport.json<{ entry: FileEntry }>(asked)).entry
  }

  /**
   * What changes in a directory, from when the loop begins, until the directory is gone. Leaving the loop ends it. A lost
   * connection is made again; what happened in between is told as `overflow`: look what is there.
   *
   * ```ts
   * for await (const change of capsule.files.watch('/root', { recursive: true })) console.log(change)
   * ```
   *
   * @throws {WrennNotFoundError}
   */
  watch(path: string, options: WatchOptions = {}): AsyncGenerator<FileChange, void, undefined> {
    return watchFiles(this.#transport, { url: `${this.#path}/watch`, path, ...options })
  }

  /** A directory with all that it holds, or one file, as a tar archive of any size. @throws {WrennNotFoundError} */
  async readTar(path: string, { signal }: RequestOptions = {}): Promise<ReadableStream<Uint8Array>> {
    const asked = { method: 'POST', path: `${this.#path}/tar/read`, json: { path }, repeatable: true, signal } as const
    return (await this.#transport.send(asked)).body!
  }

  /** Lays a tar archive out below a directory, which is made. A stream may have any size; Node and Deno can send one. */
  writeTar(
    path: string,
    archive: Uint8Array | Blob | ReadableStream<Uint8Array>,
    { signal }: RequestOptions = {},
  ): Promise<void> {
    return this.#transport.done({
      method: 'POST',
      path: `${this.#path}/tar/write`,
      query: { path },
      body: archive as Blob,
      headers: { 'content-type': 'application/x-tar' },
      timeoutMs: 0,
      signal,
    })
  }

  /** Makes a directory and its parents. @throws {WrennConflictError} when it exists */
  async makeDir(path: string, { idempotencyKey, signal }: MakeOptions = {}): Promise<FileEntry> {
    return (
      await this.#transport.json<{ entry: FileEntry }>({
        method: 'POST',
        path: `${this.#path}/mkdir`,
        json: { path },
        idempotencyKey,
        signal,
      })
    ).entry
  }

  /** Removes a file, or a directory with all that it holds. @throws {WrennNotFoundError} */
  async remove(path: string, { signal }: RequestOptions = {}): Promise<void> {
    await this.#transport.done({ method: 'POST', path: `${this.#path}/remove`, json: { path }, signal })
  }

  #open(path: string, { signal }: RequestOptions): Promise<Response> {
    return this.#transport.send({
      method: 'POST',
      path: `${this.#path}/stream/read`,
      json: { path },
      repeatable: true,
      signal,
    })
  }
}
