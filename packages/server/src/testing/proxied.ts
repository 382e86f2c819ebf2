import { once } from 'node:events'
import {
  createServer,
  request,
  type IncomingMessage,
  type RequestListener,
  type RequestOptions,
  type Server,
} from 'node:http'
import {
  connect,
  createServer as createTcpServer,
  type AddressInfo,
  type Server as TcpServer,
  type Socket,
} from 'node:net'
import { buffer } from 'node:stream/consumers'
import { Ask } from './ask.js'
import { serve, type Choices, type Serving } from './serve.js'

export interface Got {
  status: number
  headers: IncomingMessage['headers']
  raw: string[]
  trailers: string[]
  body: string
}

/** The port of the guest that a test's program has. */
export const PORT = 8888

/** What comes on a connection until its end; the other way stays open. */
export async function hear(socket: Socket): Promise<string> {
  let heard = ''
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString()))
  await once(socket, 'end')
  return heard
}

/** A server with one capsule, in which something listens on {@link PORT}. */
export class Proxied {
  readonly ask: Ask
  readonly #ends: (() => Promise<void>)[] = []

  private constructor(
    readonly on: Serving,
    readonly id: string,
  ) {
    this.ask = new Ask(on)
  }

  static async open({
    create = {},
    proxyAuth = false,
    choices = {},
  }: { create?: object; proxyAuth?: boolean; choices?: Choices } = {}): Promise<Proxied> {
    const on = await serve(undefined, { proxyAuth, ...choices })
    return new Proxied(on, await new Ask(on).capsule(create))
  }

  get host(): string {
    return this.nameOf(this.id)
  }

  get tunnels(): number {
    return this.on.host.capsule(this.id).guest.tunnels.size
  }

  nameOf(id: string, port: number | string = PORT): string {
    return `${port}-${id}.localhost:8080`
  }

  /** Runs an HTTP server in the guest. */
  async http(answer: RequestListener, port = PORT): Promise<Server> {
    const server = createServer(answer)
    await this.#listen(server, port)
    this.#ends.push(async () => server.closeAllConnections())
    return server
  }

  /** Runs anything in the guest. */
  async tcp(serveOne: (socket: Socket) => void, port = PORT): Promise<TcpServer> {
    const sockets = new Set<Socket>()
    const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      serveOne(socket)
    })
    await this.#listen(server, port)
    this.#ends.push(async () => sockets.forEach((socket) => socket.destroy()))
    return server
  }

  async #listen(server: TcpServer, port: number): Promise<void> {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    this.on.host.ports[port] = (server.address() as AddressInfo).port
    this.#ends.push(async () => void server.close())
  }

  options(options: RequestOptions = {}): RequestOptions {
    const { hostname, port } = new URL(this.on.url)
    const { headers } = options
    const own = Array.isArray(headers) ? headers : { host: this.host, ...headers }
    return { hostname, port, agent: false, ...options, headers: own }
  }

  async get(path: string, options: RequestOptions = {}, body?: string | Buffer): Promise<Got> {
    const asked = request(this.options({ path, ...options }))
    asked.end(body)
    const [reply] = (await once(asked, 'response')) as [IncomingMessage]
    const text = (await buffer(reply)).toString('latin1')
    const { statusCode, headers, rawHeaders, rawTrailers } = reply
    return { status: statusCode!, headers, raw: rawHeaders, trailers: rawTrailers, body: text }
  }

  /** A connection to the server that bytes are written to. */
  async socket(): Promise<Socket> {
    const { hostname, port } = new URL(this.on.url)
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
    socket.on('error', () => {})
    await once(socket, 'connect')
    this.#ends.push(async () => void socket.destroy())
    return socket
  }

  /** Sends bytes as they are; what comes back until the end. */
  async say(bytes: string): Promise<string> {
    const socket = await this.socket()
    socket.write(bytes, 'latin1')
    return (await buffer(socket)).toString('latin1')
  }

  async end(): Promise<void> {
    for (const end of this.#ends.reverse()) await end()
    await this.on.end()
  }
}
