import { Tunnel } from '../../../agent/tunnel.js'
import { answered, type Call } from './call.js'

/** Connects to a port: the stream is the connection. */
export function tunnel({ guest, stream, selector }: Call): typeof answered {
  const onConnection = guest.ports.at(Number(selector))
  stream.respond({ ':status': 200 })
  const connection = new Tunnel(stream)
  connection.on('error', () => {})
  onConnection(connection)
  return answered
}
