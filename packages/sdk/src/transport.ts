/** HTTP: one request, its deadline, its retries. */
import {
  errorOfResponse,
  strangeAnswer,
  WrennConnectionError,
  WrennError,
  WrennTimeoutError,
  WrennValidationError,
} from './errors.js'
import { withRetries } from './retry.js'
import { parseServerTiming, type Timings } from './timings.js'

export interface ClientOptions {
  /** Default: the environment's WRENN_API_KEY. */
  apiKey?: string | undefined
  /** Default: the environment's WRENN_BASE_URL, or `http://127.0.0.1:8080/api`. */
  baseUrl?: string | undefined
  /** How long an answer may take to begin, in milliseconds, where a call has no time of its own. Default 60,000. */
  timeoutMs?: number | undefined
  /**
   * The domain below which ports of capsules have names, as `capsules.example:8080`. Default: the environment's
   * WRENN_PROXY_DOMAIN, or the base URL's host.
   */
  proxyDomain?: string | undefined
  /** Default: the global fetch. */
  fetch?: typeof fetch | undefined
}

export interface RequestOptions {
  signal?: AbortSignal | undefined
}

/** Options of the calls that make something. */
export interface MakeOptions extends RequestOptions {
  /**
   * Names this wish: a repetition with the same key and the same values within a day, from another process too, makes
   * nothing new but gives the first answer again; with other values it is a WrennConflictError. Such a call is tried
   * again after a lost connection. Create, fork and createSnapshot make up a key of their own for each call, so that they
   * are tried again safely in any case; name one to be safe across restarts of your program.
   */
  idempotencyKey?: string | undefined
}

export interface Ask extends MakeOptions {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  path: string
  query?: Record<string, string | undefined>
  json?: unknown
  body?: NonNullable<RequestInit['body']>
  headers?: Record<string, string>
  /** Whether asking twice is as good as once. GET, PUT, DELETE and what has an idempotency key are; a POST says so itself. */
  repeatable?: boolean
  /** 0: no limit. */
  timeoutMs?: number
}

/** What a good answer says, and how long it took the server where it told. */
export interface Answer<T> {
  body: T
  timings: Timings | undefined
}

const DEFAULT_BASE = 'http://127.0.0.1:8080/api'
const DEFAULT_TIMEOUT_MS = 60_000
/** fetch refuses other headers with an error that reads like a lost connection. */
const HEADER_VALUE = /^[\x21-\x7e]+$/

export class Transport {
  readonly baseUrl: string
  readonly proxyDomain: string | undefined
  readonly #apiKey: string | undefined
  readonly #timeoutMs: number
  readonly #fetch: typeof fetch

  constructor({ apiKey, baseUrl, timeoutMs, proxyDomain, fetch: given }: ClientOptions = {}) {
    this.baseUrl = (baseUrl ?? fromEnvironment('WRENN_BASE_URL') ?? DEFAULT_BASE).replace(/\/+$/, '')
    this.proxyDomain = proxyDomain ?? fromEnvironment('WRENN_PROXY_DOMAIN')
    this.#apiKey = apiKey ?? fromEnvironment('WRENN_API_KEY')
    this.#timeoutMs = timeoutMs ?? DEFAULT_TIMEOUT_MS
    this.#fetch = given ?? ((input, init) => fetch(input, init))
  }

  /** The JSON of a good answer. */
  async json<T>(ask: Ask): Promise<T> {
    return (await this.answer<T>(ask)).body
  }

  /** The JSON of a good answer, with its timings. */
  answer<T>(ask: Ask): Promise<Answer<T>> {
    return this.#tried(ask, async () => {
      const response = await this.#once(ask)
      return {
        body: await this.#read<T>(response, ask),
        timings: parseServerTiming(response.headers.get('server-timing')),
      }
    })
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
  send(ask: Ask): Promise<Response> {
    return this.#tried(ask, () => this.#once(ask))
  }

  #tried<T>(ask: Ask, once: () => Promise<T>): Promise<T> {
    const mayRepeat = ask.repeatable ?? (ask.method !== 'POST' || ask.idempotencyKey !== undefined)
    return mayRepeat ? withRetries(once, ask.signal) : once()
  }

  /** Reads an answer to its end; one that breaks off is a lost connection like any other. */
  async #read<T>(response: Response, { signal }: Ask): Promise<T> {
    const text = await response.text().catch((error: unknown) => {
      signal?.throwIfAborted()
      throw new WrennConnectionError(`The answer of ${this.baseUrl} broke off.`, {
        code: 'connection',
        status: 0,
        cause: error,
      })
    })
    try {
      return JSON.parse(text) as T
    } catch {
      throw strangeAnswer(text, { status: response.status, requestId: undefined })
    }
  }

  async #once({
    method,
    path,
    query,
    json,
    body,
    headers,
    idempotencyKey,
    signal,
    timeoutMs = this.#timeoutMs,
  }: Ask): Promise<Response> {
    if (!this.#apiKey && path !== '/health') throw invalid('There is no API key.', 'Set WRENN_API_KEY, or pass apiKey.')
    if (idempotencyKey !== undefined && !HEADER_VALUE.test(idempotencyKey))
      throw invalid('The idempotency key cannot be sent.', 'It must be printable ASCII without blanks.')
    const deadline = new AbortController()
    const timer = timeoutMs > 0 ? setTimeout(() => deadline.abort(), timeoutMs) : undefined
    const url = this.baseUrl + path + queryText(query)
    try {
      const response = await this.#fetch(url, {
        method,
        headers: {
          ...(this.#apiKey ? { 'x-api-key': this.#apiKey } : {}),
          ...(json === undefined ? {} : { 'content-type': 'application/json' }),
          ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
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

/** What is wrong before anything is sent. */
function invalid(message: string, hint: string): WrennValidationError {
  return new WrennValidationError(message, { code: 'invalid_request', status: 0, hint })
}

function queryText(query: Ask['query'] = {}): string {
  const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined)
  return given.length > 0 ? `?${new URLSearchParams(given).toString()}` : ''
}

/** There are no environment variables in a browser. */
function fromEnvironment(name: string): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } }
  return process?.env?.[name] || undefined
}
