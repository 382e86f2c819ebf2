/** The tools that make networks: iproute2 and nftables. */
import { readdir, readFile } from 'node:fs/promises'
import { run } from '../process/run.js'

/** Where iproute2 keeps the namespaces that have names. */
const NAMESPACES = '/run/netns'
/** How long a tool may take; they take milliseconds. */
const TOOL_MS = 20_000

/** The path of a namespace. */
export function namespacePath(name: string): string {
  return `${NAMESPACES}/${name}`
}

/** Runs commands of `ip`, one a line; the first that fails is the last. */
export async function ip(commands: readonly string[]): Promise<void> {
  await tool('ip', ['-batch', '-'], lines(commands))
}

/** Runs all of the commands, whether some fail or not. */
export async function ipAll(commands: readonly string[]): Promise<void> {
  await tool('ip', ['-force', '-batch', '-'], lines(commands))
}

/** Changes rules in one step: all of it, or nothing. */
export async function nft(rules: string, namespace?: string): Promise<void> {
  await (namespace === undefined
    ? tool('nft', ['-f', '-'], rules)
    : tool('nsenter', [`--net=${namespacePath(namespace)}`, 'nft', '-f', '-'], rules))
}

/** What is done in a namespace by one process: settings of the kernel, rules, and commands of `ip`, in this order. */
export interface Arrangement {
  /** Names below /proc/sys/net, with their values. */
  settings: Readonly<Record<string, number>>
  rules: string
  commands: readonly string[]
}

/** Arranges a namespace. */
export async function arrange(namespace: string, { settings, rules, commands }: Arrangement): Promise<void> {
  const script = [
    'set -e',
    ...Object.entries(settings).map(([name, value]) => `echo ${value} > /proc/sys/net/${name}`),
    ...[`nft -f - <<'END'`, rules, 'END'],
    ...[`ip -batch - <<'END'`, ...commands, 'END'],
  ]
  await tool('nsenter', [`--net=${namespacePath(namespace)}`, 'sh'], lines(script))
}

/** The names of the namespaces that there are. */
export async function namespaces(): Promise<string[]> {
  return readdir(NAMESPACES).catch(() => [])
}

/** The names of the interfaces of the network that we are in ourselves. */
export async function links(): Promise<string[]> {
  const table = await readFile('/proc/net/dev', 'latin1')
  return [...table.matchAll(/^\s*([^\s:|]+):/gm)].map(([, name]) => name!)
}

/** Whether a program can be run here. */
export async function isThere(program: string, ...args: string[]): Promise<boolean> {
  return run(program, args).then(
    () => true,
    () => false,
  )
}

async function tool(program: string, args: string[], input: string): Promise<void> {
  await run(program, args, { input, signal: AbortSignal.timeout(TOOL_MS) })
}

function lines(list: readonly string[]): string {
  return list.map((line) => `${line}\n`).join('')
}
