/** Programs that listen on the port that is their argument. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { OnConnection } from '../ports.js'
import { forever } from './plain.js'
import type { Program } from './types.js'

/** A program that says "listening" when it does, and does so until it is killed. */
const listening =
  (open: () => Promise<OnConnection>): Program =>
  async ({ args, ports, out, err, killed }) => {
    const onConnection = await open()
    const connections = new Set<Duplex>()
    try {
      const close = ports.listen(Number(args[0]), (connection) => {
        connections.add(connection)
        connection.on('error', () => {}).once('close', () => connections.delete(connection))
        onConnection(connection)
      })
      killed.addEventListener('abort', close, { once: true })
    } catch (error) {
      await err(`${(error as Error).message}\n`)
      return 1
    }
    await out('listening\n')
    await forever(killed)
    for (const connection of connections) connection.destroy()
    return 0
  }

export const listeners: Record<string, Program> = {
  /** Answers what it reads, and ends when the other does. */
  'tcp-echo': listening(async () => (connection) => connection.pipe(connection)),
  /** Ends its own half at once, and then reads to the other's end; says how much that was. */
  'tcp-sink': async (run) => {
    const count = async (connection: Duplex) => {
      connection.end('bye')
      let size = 0
      for await (const chunk of connection as AsyncIterable<Buffer>) size += chunk.length
      await run.out(`read ${size}\n`)
    }
    return listening(async () => (connection) => void count(connection).catch(() => run.out('lost\n')))(run)
  },
  /** Never reads. */
  'tcp-hold': listening(async () => () => {}),
  /** Resets the connection at the first word. */
  'tcp-reset': listening(
    async () => (connection) => connection.once('data', () => connection.destroy(new Error('reset'))),
  ),
  'http-echo': listening(async () => {
    const serve = (request: IncomingMessage, response: ServerResponse) =>
      void answer(request, response).catch(() => response.destroy())
    // Its only refusal is marked as its own: whoever reads it sees that no proxy has made it.
    const server = createServer({ requireHostHeader: false }, serve)
      .on('checkExpectation', serve)
      .on('clientError', (_, socket) =>
        socket.end('HTTP/1.1 400 Bad Request\r\nX-Guest: http-echo\r\nConnection: close\r\n\r\n'),
      )
    return (connection) => server.emit('connection', connection)
  }),
  'ws-echo': listening(async () => {
    // Only for this program: what is in production needs no such library.
    const { WebSocketServer } = await import('ws')
    const sockets = new WebSocketServer({ noServer: true })
    const server = createServer((_, response) => response.writeHead(426).end())
    server.on('upgrade', (request, socket, head) => {
      sockets.handleUpgrade(request, socket, head, (client) => {
        client.on('error', () => {})
        client.on('message', (data, isBinary) => client.send(data as Buffer, { binary: isBinary }))
      })
    })
    return (connection) => server.emit('connection', connection)
  }),
}

/** `/echo` answers the request's body as it comes, all else what was asked, as JSON. */
async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.url?.startsWith('/echo')) {
    response.writeHead(200, { 'content-type': request.headers['content-type'] ?? 'application/octet-stream' })
    return void request.pipe(response)
  }
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) size += chunk.length
  const { method, url, headers } = request
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ method, url, headers, body_bytes: size }))
}
