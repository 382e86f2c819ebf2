/** One connection to a port of a capsule: an HTTP request that becomes raw bytes both ways. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect as connectTcp, type NetConnectOpts } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import type { Api } from '../context.js'

const PROTOCOL = 'wrenn-tunnel'
/** How long the server may take to reach the port, in milliseconds. */
const OPENING_MS = 30_000
/** What of an error answer is read, in bytes. */
const MOST_OF_AN_ERROR = 64 * 1024

export interface PortOf {
  capsuleId: string
  port: number
}

/** Opens it; each side can end its own direction. @throws Error with what the server says */
export function openTunnel(api: Api, { capsuleId, port }: PortOf, signal: AbortSignal): Promise<Duplex> {
  const url = new URL(`${api.baseUrl}/v1/capsules/${encodeURIComponent(capsuleId)}/ports/${port}/tunnel`)
  const isSecure = url.protocol === 'https:'
  return new Promise((resolve, reject) => {
    const opening = (isSecure ? httpsRequest : httpRequest)(url, {
      headers: { connection: 'Upgrade', upgrade: PROTOCOL, 'x-api-key': api.apiKey ?? '' },
      signal,
      timeout: OPENING_MS,
      // The end of one direction is not the end of the other.
      createConnection: (options) =>
        isSecure
          ? connectTls({ servername: url.hostname, ...options, allowHalfOpen: true } as ConnectionOptions)
          : connectTcp({ ...options, allowHalfOpen: true } as NetConnectOpts),
    })
    opening.once('upgrade', (_, socket, head) => {
      socket.setTimeout(0).setNoDelay(true).setKeepAlive(true, OPENING_MS)
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    opening.once('response', (response) => void refusal(response).then(reject, reject))
    opening.once('timeout', () => opening.destroy(new Error(`${api.baseUrl} did not answer in time.`)))
    opening.on('error', reject)
    opening.end()
  })
}

async function refusal(response: IncomingMessage): Promise<Error> {
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) {
    text += chunk as string
    if (text.length > MOST_OF_AN_ERROR) break
  }
  response.destroy()
  try {
    const { error } = JSON.parse(text) as { error: { message: string; code: string } }
    return new Error(`${error.message} (${error.code})`)
  } catch {
    return new Error(`The server answered ${response.statusCode}.`)
  }
}
