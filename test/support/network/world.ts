/**
 * A machine in its surroundings, out of network namespaces: `host` has an uplink to `internet`, where the cloud's metadata
 * service answers too, and a leg in a private network, `lan`. Nothing of it touches the machine that the test runs on.
 */
import { execFileSync } from 'node:child_process'
import { startIn, type Caller } from './process.js'

export const at = {
  host: '203.0.113.2',
  host6: '2001:db8:1::2',
  site: '203.0.113.10',
  site6: '2001:db8:1::10',
  other: '203.0.113.20',
  names: '203.0.113.53',
  metadata: '169.254.169.254',
  lan: '192.168.7.10',
  hostInLan: '192.168.7.1',
} as const

const a = (data: string) => ({ type: 'A', data })
const records = {
  'example.org': [a(at.site)],
  'www.example.org': [a(at.site)],
  'bad.example.org': [a(at.other)],
  'other.test': [a(at.other)],
  'rebind.test': [a(at.lan)],
  'metadata.test': [a(at.metadata)],
  'alias.test': [
    { type: 'CNAME', data: 'bad.example.org' },
    { ...a(at.other), name: 'bad.example.org' },
  ],
}

export interface World {
  namespaces: Record<'host' | 'internet' | 'lan', string>
  internet: Caller
  lan: Caller
  /** What listens on the host itself. */
  services: Caller
  /** What reached any service since the last look, the host's own included. */
  seen(): Promise<string[]>
  end(): Promise<void>
}

export async function makeWorld(): Promise<World> {
  const name = (what: string) => `test${process.pid}-${what}`
  const namespaces = { host: name('host'), internet: name('internet'), lan: name('lan') }
  const running: Caller[] = []
  const end = async () => {
    await Promise.all(running.map((one) => one.end()))
    ip(...Object.values(namespaces).map((one) => `netns del ${one}`))
  }
  try {
    lay(namespaces)
    const start = async (where: string) => {
      running.push(await startIn(where, 'services.mjs'))
      return running.at(-1)!
    }
    const internet = await start(namespaces.internet)
    const lan = await start(namespaces.lan)
    const services = await start(namespaces.host)
    const listen = (who: Caller, address: string, port: number, said: string) =>
      who.call('listen', { address, port, name: said })
    for (const [address, said] of [
      [at.site, 'site'],
      [at.other, 'other'],
      [at.metadata, 'metadata'],
      [at.site6, 'site6'],
    ] as const)
      for (const port of [80, 7000]) await listen(internet, address, port, said)
    await internet.call('serveNames', { address: at.names, records })
    await listen(lan, at.lan, 80, 'lan')
    for (const address of ['0.0.0.0', '::']) await listen(services, address, 8080, 'host')
    return {
      namespaces,
      internet,
      lan,
      services,
      seen: async () => (await Promise.all(running.map((one) => one.call<string[]>('seen')))).flat(),
      end,
    }
  } catch (error) {
    await end()
    throw error
  }
}

function lay({ host, internet, lan }: World['namespaces']): void {
  ip(...[host, internet, lan].map((one) => `netns add ${one}`))
  ip(
    `link add uplink netns ${host} type veth peer name eth0 netns ${internet}`,
    `link add leg netns ${host} type veth peer name eth0 netns ${lan}`,
  )
  for (const one of [host, internet, lan]) ip(`-n ${one} link set lo up`)
  const give = (where: string, device: string, ...addresses: string[]) => {
    for (const address of addresses)
      ip(`-n ${where} addr add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`)
    ip(`-n ${where} link set ${device} up`)
  }
  give(host, 'uplink', `${at.host}/24`, `${at.host6}/64`)
  give(host, 'leg', `${at.hostInLan}/24`)
  give(internet, 'eth0', `${at.site}/24`, `${at.other}/24`, `${at.names}/24`, `${at.metadata}/32`, `${at.site6}/64`)
  give(lan, 'eth0', `${at.lan}/24`)
  ip(
    `-n ${host} route add default via ${at.site}`,
    `-n ${host} route add ${at.metadata} via ${at.site}`,
    `-n ${internet} route add 10.0.0.0/8 via ${at.host}`,
    `-n ${lan} route add default via ${at.hostInLan}`,
  )
  execFileSync('nsenter', [`--net=/run/netns/${host}`, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'])
}

function ip(...commands: string[]): void {
  for (const command of commands) execFileSync('ip', command.split(' '))
}
