/** The API's calls about capsules: what goes over the wire, and for how long an answer is waited. */
import type {
  CapsuleBody,
  MetricsBody,
  MetricsRange,
  StatsBody,
  StatsRange,
  TemplateBody,
  UsageBody,
} from '@wrenn/wire'
import { newIdempotencyKey } from './retry.js'
import type { Answer, MakeOptions, RequestOptions, Transport } from './transport.js'

export interface CreateOptions extends MakeOptions {
  /** The name of a template, or one version of it: `name@3`. Default `minimal`. */
  template?: string
  /** Virtual CPUs; a snapshot keeps its own number. Default 1. */
  vcpus?: number
  /** Memory in MiB; a snapshot keeps its own. Default 512. */
  memoryMb?: number
  /** Seconds without activity after which the capsule is paused; 0 means never. Default 0. */
  timeoutSec?: number
  /** Your labels: at most 20. */
  metadata?: Record<string, string>
  /**
   * Environment variables of every command and terminal in it. The server keeps them outside of the capsule: no template
   * has them, and no answer shows them.
   */
  envs?: Record<string, string>
  /** What it may reach. Default: the internet. */
  network?: NetworkOptions
  /** Whether its ports ask for its `proxyToken`, in the header X-Wrenn-Token. Default false. */
  proxyAuth?: boolean
}

/**
 * What a capsule may reach. Each destination is an IPv4 address, a range such as `203.0.113.0/24`, a domain name, or
 * `*.example.org` for all names below one. `deny` comes before `allow`, and `allow` before `internet`.
 */
export interface NetworkOptions {
  /** Whether what neither list names may be reached. Default true. */
  internet?: boolean
  /** What may be reached all the same. Default: nothing. */
  allow?: string[]
  /** What may not be reached, whatever else is said. Default: nothing. */
  deny?: string[]
}

export interface ForkOptions extends MakeOptions {
  /** Environment variables in the place of those of the source. Default: the same. */
  envs?: Record<string, string>
  /** In the place of what the source may reach. Default: the same. */
  network?: NetworkOptions
}

export interface MetricsOptions extends RequestOptions {
  /** The time that it tells of, up to now. Default: the server's. */
  range?: MetricsRange
}

export interface StatsOptions extends RequestOptions {
  /** The time that it tells of, up to now. Default: the server's. */
  range?: StatsRange
}

export interface UsageOptions extends RequestOptions {
  /** The first day, as `2026-01-31`. Default: 30 days ago. */
  from?: string
  /** The last day. Default: today. */
  to?: string
}

export interface SnapshotOptions extends MakeOptions {
  /** Default: one is made up. */
  name?: string
  /** Whether the name may be one that exists: it gets a new version then. Default false. */
  overwrite?: boolean
  /** Whether the capsule runs on instead of being destroyed. Default false. */
  keepSource?: boolean
  /** How many versions of the template are kept, this one included. Holds until another is given; 3 at first. */
  keepVersions?: number
  /**
   * Seconds after which a version that nothing was started from is deleted, the present one too. Holds until another is
   * given; never at first.
   */
  expiresIn?: number
}

/** How long a start or a capture may take, in milliseconds. */
const SLOW_MS = 300_000

type Call<Options, Result> = (transport: Transport, options: Options) => Promise<Result>
type CallOn<Options, Result> = (transport: Transport, id: string, options: Options) => Promise<Result>

export const create: Call<CreateOptions, Answer<CapsuleBody>> = (transport, options) => {
  const { template, vcpus, memoryMb, timeoutSec, metadata, envs, network, proxyAuth } = options
  const size = { vcpus, memory_mb: memoryMb }
  const json = { template, ...size, timeout_sec: timeoutSec, metadata, envs, network, proxy_auth: proxyAuth }
  return transport.answer({ method: 'POST', path: '/v1/capsules', json, ...making(options) })
}

export const list: Call<RequestOptions, Answer<CapsuleBody>[]> = async (transport, { signal }) => {
  const bodies = await transport.json<CapsuleBody[]>({ method: 'GET', path: '/v1/capsules', signal })
  return bodies.map((body) => ({ body, timings: undefined }))
}

export const show: CallOn<RequestOptions, Answer<CapsuleBody>> = (transport, id, { signal }) =>
  transport.answer({ method: 'GET', path: pathOf(id), signal })

export const destroy: CallOn<RequestOptions, void> = (transport, id, { signal }) =>
  transport.done({ method: 'DELETE', path: pathOf(id), signal })

export const ping: CallOn<RequestOptions, void> = (transport, id, { signal }) =>
  transport.done({ method: 'POST', path: pathOf(id, 'ping'), repeatable: true, signal })

export const pause: CallOn<RequestOptions, Answer<CapsuleBody>> = (transport, id, { signal }) =>
  transport.answer({ method: 'POST', path: pathOf(id, 'pause'), timeoutMs: SLOW_MS, signal })

export const resume: CallOn<RequestOptions, Answer<CapsuleBody>> = (transport, id, { signal }) =>
  transport.answer({ method: 'POST', path: pathOf(id, 'resume'), timeoutMs: SLOW_MS, signal })

export const fork: CallOn<ForkOptions & { count: number }, Answer<CapsuleBody[]>> = (transport, id, options) => {
  const { count, envs, network } = options
  const json = { count, envs, network }
  return transport.answer({ method: 'POST', path: pathOf(id, 'fork'), json, ...making(options) })
}

export const setNetwork: CallOn<NetworkOptions & RequestOptions, Answer<CapsuleBody>> = (transport, id, options) => {
  const { internet, allow, deny, signal } = options
  return transport.answer({ method: 'PUT', path: pathOf(id, 'network'), json: { internet, allow, deny }, signal })
}

export const capture: CallOn<SnapshotOptions, Answer<TemplateBody>> = (transport, id, options) => {
  const { name, overwrite, keepSource, keepVersions, expiresIn } = options
  return transport.answer({
    method: 'POST',
    path: '/v1/snapshots',
    query: { overwrite: overwrite ? 'true' : undefined },
    json: {
      sandbox_id: id,
      name,
      keep_source: keepSource,
      keep_versions: keepVersions,
      expires_in: expiresIn,
    },
    ...making(options),
  })
}

export const metrics: CallOn<MetricsOptions, MetricsBody> = (transport, id, { range, signal }) =>
  transport.json({ method: 'GET', path: pathOf(id, 'metrics'), query: { range }, signal })

export const stats: Call<StatsOptions, StatsBody> = (transport, { range, signal }) =>
  transport.json({ method: 'GET', path: '/v1/capsules/stats', query: { range }, signal })

export const usage: Call<UsageOptions, UsageBody> = (transport, { from, to, signal }) =>
  transport.json({ method: 'GET', path: '/v1/capsules/usage', query: { from, to }, signal })

/** A lost connection leaves it open whether something was made; with a key, asking again is safe. */
function making({ idempotencyKey = newIdempotencyKey(), signal }: MakeOptions) {
  return { idempotencyKey, signal, timeoutMs: SLOW_MS }
}

function pathOf(id: string, call?: string): string {
  return `/v1/capsules/${encodeURIComponent(id)}${call ? `/${call}` : ''}`
}
