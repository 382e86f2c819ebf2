/** The names below which ports of capsules are reached: `{port}-{capsule id}.{anything}`. */
import { idPrefixes } from './ids.js'

const HOST = new RegExp(`^([0-9]+)-(${idPrefixes.capsule}[^.]*)\\.`, 'i')

/** A port of a capsule, as a Host header names it; the parts are not checked. Nothing when the name is not of that form. */
export function parseProxyHost(host: string): { port: string; capsuleId: string } | undefined {
  const [, port, capsuleId] = HOST.exec(host) ?? []
  return port === undefined || capsuleId === undefined ? undefined : { port, capsuleId: capsuleId.toLowerCase() }
}

/** The Host for a port of a capsule. @param domain with the server's port where it is not the scheme's own */
export function proxyHost(capsuleId: string, port: number, domain: string): string {
  return `${port}-${capsuleId}.${domain}`
}
