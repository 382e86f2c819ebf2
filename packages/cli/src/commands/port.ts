import { once } from 'node:events'
import { type Command, InvalidArgumentError } from 'commander'
import { contextOf, type World } from '../context.js'
import { forward, type Forward } from '../forward/forward.js'
import { openTunnel } from '../forward/tunnel.js'

const MOST = 65_535

interface Mapping {
  local: number
  remote: number
}

export function addPortCommands(program: Command, world: World): void {
  const url = program.command('url <id>').description('print the URL of a port in a capsule, for HTTP and WebSocket')
  url.argument('<port>', '', port).action(async (id: string, remote: number, ...[, command]: [object, Command]) => {
    const { client, show, signal, stderr } = contextOf(command, world)
    const capsule = await client.capsules.connect(id, { signal })
    const { proxyToken } = capsule
    const found = { url: capsule.getUrl(remote), ...(proxyToken ? { token: proxyToken } : {}) }
    show(found, () => found.url)
    if (proxyToken) stderr.write(`It asks for the header X-Wrenn-Token: ${proxyToken}\n`)
  })

  program
    .command('port-forward <id>')
    .description('reach ports of a capsule as ports of this machine, on 127.0.0.1, until Ctrl-C')
    .argument('<[local:]remote...>', 'a port inside, or local:inside; 0 is any free port', mapping)
    .action(async (id: string, mappings: Mapping[], ...[, command]: [object, Command]) => {
      const { client, api, json, signal, stdout, stderr } = contextOf(command, world)
      const capsule = await client.capsules.connect(id, { signal })
      const forwards: Forward[] = []
      try {
        for (const { local, remote } of mappings) {
          const target = { capsuleId: capsule.id, port: remote }
          const failed = ({ message }: Error) => stderr.write(`error: port ${remote}: ${message}\n`)
          const made = await forward(local, (connection) => openTunnel(api, target, connection), failed)
          forwards.push(made)
          stdout.write(
            json
              ? `${JSON.stringify({ local: made.port, remote })}\n`
              : `127.0.0.1:${made.port} is port ${remote} of ${capsule.id}\n`,
          )
        }
        if (!signal.aborted) await once(signal, 'abort')
      } finally {
        for (const made of forwards) made.close()
      }
    })
}

function port(text: string): number {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (value < 1 || value > MOST) throw new InvalidArgumentError(`A port is a whole number from 1 to ${MOST}.`)
  return value
}

/** `remote` or `local:remote`, added to those before. */
function mapping(text: string, before: Mapping[] = []): Mapping[] {
  const [, local, remote] = /^(?:(\d{1,5}):)?(\d{1,5})$/.exec(text) ?? []
  if (remote === undefined) throw new InvalidArgumentError('It must have the form port or local:port.')
  return [
    ...before,
    { remote: port(remote), local: local === undefined ? port(remote) : local === '0' ? 0 : port(local) },
  ]
}
