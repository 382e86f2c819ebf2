/** HTTP: one request, its deadline, its retries. */
import { errorOfResponse, WrennConnectionError, WrennError, WrennTimeoutError, WrennValidationError } from './errors.js'

export interface ClientOptions {
  /** Default: the environment's WRENN_API_KEY. */
  apiKey?: string | undefined
  /** Default: the environment's WRENN_BASE_URL, or `http://127.0.0.1:8080/api`. */
  baseUrl?: string | undefined
  /** How long an answer may take to begin, in milliseconds, where a call has no time of its own. Default 60,000. */
  timeoutMs?: number | undefined
  /** Default: the global fetch. */
  fetch?: typeof fetch | undefined
}

export interface RequestOptions {
  signal?: AbortSignal | undefined
}

export interface Ask extends RequestOptions {
  method: 'GET' | 'POST' | 'DELETE'
  path: string
  query?: Record<string, string | undefined>
  json?: unknown
  body?: NonNullable<RequestInit['body']>
  headers?: Record<string, string>
  /** Whether asking twice is as good as once. GET and DELETE are; a POST says so itself. */
  repeatable?: boolean
  /** 0: no limit. */
  timeoutMs?: number
}

const DEFAULT_BASE = 'http://127.0.0.1:8080/api'
const DEFAULT_TIMEOUT_MS = 60_000
const RETRIES = 2
const FIRST_DELAY_MS = 200
/** Answers after which the same request may succeed. */
const retryable = new Set([429, 503])

export class Transport {
  readonly baseUrl: string
  readonly #apiKey: string | undefined
  readonly #timeoutMs: number
  readonly #fetch: typeof fetch

  constructor({ apiKey, baseUrl, timeoutMs, fetch: given }: ClientOptions = {}) {
    this.baseUrl = (baseUrl ?? fromEnvironment('WRENN_BASE_URL') ?? DEFAULT_BASE).replace(/\/+$/, '')
    this.#apiKey = apiKey ?? fromEnvironment('WRENN_API_KEY')
    this.#timeoutMs = timeoutMs ?? DEFAULT_TIMEOUT_MS
    this.#fetch = given ?? ((input, init) => fetch(input, init))
  }

  /** The JSON of a good answer. */
  async json<T>(ask: Ask): Promise<T> {
    return (await (await this.send(ask)).json()) as T
  }

  /** A request whose answer has no content. */
  async done(ask: Ask): Promise<void> {
    await (await this.send(ask)).body?.cancel()
  }

  /**
   * Sends a request; resolves with a good answer.
   *
   * @throws {WrennError} of the class that the answer's code has; `WrennConnectionError` and `WrennTimeoutError` without an
   * answer; the signal's reason when it aborts
   */
  async send(ask: Ask): Promise<Response> {
    const mayRepeat = ask.repeatable ?? ask.method !== 'POST'
    for (let tries = 0; ; tries++) {
      try {
        return await this.#once(ask)
      } catch (error) {
        if (!mayRepeat || tries === RETRIES || !isPassing(error)) throw error
        await delay(FIRST_DELAY_MS * 2 ** tries * (0.5 + Math.random()), ask.signal)
      }
    }
  }

  async #once({
    method,
    path,
    query,
    json,
    body,
    headers,
    signal,
    timeoutMs = this.#timeoutMs,
  }: Ask): Promise<Response> {
    if (!this.#apiKey && path !== '/health') {
      throw new WrennValidationError('There is no API key.', {
        code: 'invalid_request',
        status: 0,
        hint: 'Set WRENN_API_KEY, or pass apiKey.',
      })
    }
    const deadline = new AbortController()
    const timer = timeoutMs > 0 ? setTimeout(() => deadline.abort(), timeoutMs) : undefined
    const url = this.baseUrl + path + queryText(query)
    try {
      const response = await this.#fetch(url, {
        method,
        headers: {
          ...(this.#apiKey ? { 'x-api-key': this.#apiKey } : {}),
          ...(json === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        body: json === undefined ? (body ?? null) : JSON.stringify(json),
        signal: signal ? AbortSignal.any([signal, deadline.signal]) : deadline.signal,
        ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
      })
      if (!response.ok) throw await errorOfResponse(response)
      return response
    } catch (error) {
      if (error instanceof WrennError) throw error
      signal?.throwIfAborted()
      if (deadline.signal.aborted)
        throw new WrennTimeoutError(`${this.baseUrl} did not answer in ${timeoutMs} ms.`, {
          code: 'timeout',
          status: 0,
        })
      throw new WrennConnectionError(`Nothing answers at ${this.baseUrl}.`, {
        code: 'connection',
        status: 0,
        cause: error,
        hint: 'Is the server running? Does WRENN_BASE_URL name it?',
      })
    } finally {
      clearTimeout(timer)
    }
  }
}

/** Whether a failure may be gone the next time. */
function isPassing(error: unknown): boolean {
  return error instanceof WrennConnectionError || (error instanceof WrennError && retryable.has(error.status))
}

function queryText(query: Ask['query'] = {}): string {
  const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined)
  return given.length > 0 ? `?${new URLSearchParams(given).toString()}` : ''
}

function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms)
    signal?.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        reject(signal.reason as Error)
      },
      { once: true },
    )
  })
}

/** There are no environment variables in a browser. */
function fromEnvironment(name: string): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } }
  return process?.env?.[name] || undefined
}
