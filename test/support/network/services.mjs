/** What listens somewhere, for tests: started in a network namespace, it serves what its parent asks and tells who came. */
import { createSocket } from 'node:dgram'
import { connect, createServer } from 'node:net'
import { once } from 'node:events'
import { decode, encode } from 'dns-packet'

const seen = []

/** Answers whatever comes over TCP or UDP with a name, and goes on to echo. */
async function listen({ address, port, name }) {
  const tcp = createServer((socket) => {
    seen.push(`tcp ${socket.localAddress} ${port}`)
    socket.on('error', () => {})
    socket.write(`HTTP/1.0 200 OK\r\n\r\n${name}\n`)
    if (port === 80) return socket.end()
    socket.pipe(socket)
  })
  await once(tcp.listen({ host: address, port, ipv6Only: address.includes(':') }), 'listening')
  const udp = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', ipv6Only: address.includes(':') })
  udp.on('message', (_, from) => {
    seen.push(`udp ${address} ${port}`)
    udp.send(name, from.port, from.address, () => {})
  })
  udp.bind(port, address)
  await once(udp, 'listening')
}

/** A name server over UDP and TCP. */
async function serveNames({ address, records }) {
  const answer = (message) => {
    const { id, questions } = decode(message)
    const [{ name, type }] = questions
    const found = records[name.toLowerCase()]
    if (!found) return encode({ type: 'response', id, flags: 3, questions })
    const answers = found
      .filter((one) => one.type === type || one.type === 'CNAME')
      .map((one) => ({ name, ttl: 30, ...one }))
    return encode({ type: 'response', id, questions, answers })
  }
  const udp = createSocket('udp4')
  udp.on('message', (message, from) => {
    seen.push(`name ${decode(message).questions[0].name}`)
    udp.send(answer(message), from.port, from.address, () => {})
  })
  udp.bind(53, address)
  await once(udp, 'listening')
  const tcp = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (data) => {
      const said = answer(data.subarray(2))
      const length = Buffer.alloc(2)
      length.writeUInt16BE(said.length)
      socket.end(Buffer.concat([length, said]))
    })
  })
  await once(tcp.listen(53, address), 'listening')
}

/** Whether a TCP connection comes to be. */
async function reach({ address, port }) {
  const socket = connect({ host: address, port, signal: AbortSignal.timeout(2000) })
  socket.on('error', () => {})
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

const methods = { listen, serveNames, reach, seen: async () => seen.splice(0) }

process.on('message', ({ id, method, args }) =>
  methods[method](...args).then(
    (value) => process.send({ id, value }),
    (error) => process.send({ id, error: { code: error.code, message: error.message, stack: error.stack } }),
  ),
)
process.on('disconnect', () => process.exit(0))
