/** What capsules reach and what they never reach, on real virtual machines in a world out of network namespaces. */
import { readdir, readFile } from 'node:fs/promises'
import { newId, openNetwork, type HostFacts, type NetworkPolicy } from '@wrenn/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startIn, type Caller } from '../support/network/process.js'
import { at, makeWorld, type World } from '../support/network/world.js'
import { freshDataDir, imagesIn, processesIn, removeDataDir } from '../support/vm.js'

const closed: NetworkPolicy = { internet: false, allow: [], deny: [] }
const settings = { mode: 'on', pool: '10.213.0.0/16', ready: 2, allow: [], resolvers: [`${at.names}:53`] }
const probe = await readFile(new URL('../support/network/probe.py', import.meta.url), 'utf8')

let world: World
let host: Caller
let dataDir: string
let imageId: string

async function openHost(
  capsuleIds: string[],
  network: unknown = settings,
  snapshotIds: string[] = [],
): Promise<HostFacts> {
  const images = await imagesIn(dataDir, ['minimal', 'base-python'])
  imageId = images.at(-1)!.id
  host = await startIn(world.namespaces.host, 'host.mjs')
  const facts = await host.call<HostFacts>('open', { dataDir, images, network })
  await host.call('reconcile', { capsuleIds, snapshotIds })
  return facts
}

beforeAll(async () => {
  dataDir = await freshDataDir()
  world = await makeWorld()
  await openHost([])
})

afterAll(async () => {
  await host.call('close').finally(() => host.end())
  const left = (await readdir('/run/netns')).filter((name) => name.startsWith('wrenn-'))
  await world.end()
  await removeDataDir(dataDir)
  expect([left, await processesIn(dataDir)]).toEqual([[], []])
})

async function start(network = openNetwork, snapshotId?: string): Promise<string> {
  const capsuleId = newId('capsule')
  const source = snapshotId ? { kind: 'snapshot', snapshotId } : { kind: 'image', imageId }
  await host.call('start', { capsuleId, source, vcpus: 1, memoryMb: 512, template: 'base-python', network })
  return capsuleId
}

type Attempt = [how: string, address: string, port?: number]

async function attempt(capsuleId: string, ...attempts: Attempt[]): Promise<Record<string, string>> {
  const list = JSON.stringify(attempts.map(([how, address, port = 0]) => [how, address, port]))
  const { stdout, stderr } = await host.call<{ stdout: string; stderr: string }>('run', capsuleId, 'python3', [
    '-c',
    probe,
    list,
  ])
  if (!stdout) throw new Error(stderr)
  return JSON.parse(stdout) as Record<string, string>
}

const reached = (...attempts: string[]) => Object.fromEntries(attempts.map((one) => [one, 'reached']))
const refused = (...attempts: string[]) => Object.fromEntries(attempts.map((one) => [one, 'refused']))
const setNetwork = (capsuleId: string, network: Partial<NetworkPolicy>) =>
  host.call('setNetwork', capsuleId, { ...closed, ...network })

async function capture(capsuleId: string, keepSource: boolean): Promise<string> {
  const snapshotId = newId('snapshot')
  await host.call('capture', { capsuleId, snapshotId, keepSource, purpose: 'template' })
  return snapshotId
}

/** The addresses of a capsule's network outside of it. */
async function endsOf(capsuleId: string): Promise<{ host: string; namespace: string }> {
  const record = JSON.parse(await readFile(`${dataDir}/capsules/${capsuleId}/capsule.json`, 'utf8')) as {
    network: { number: number }
  }
  const last = 4 * record.network.number
  return { host: `10.213.0.${last + 1}`, namespace: `10.213.0.${last + 2}` }
}

const namespacesLeft = async () => (await readdir('/run/netns')).filter((name) => name.startsWith('wrenn-'))

test('the internet is reached by name and by address', async () => {
  const one = await start()
  expect(
    await attempt(one, ['tcp', at.site, 80], ['udp', at.site, 80], ['icmp', at.site], ['tcp', at.other, 80]),
  ).toEqual(reached(`tcp ${at.site} 80`, `udp ${at.site} 80`, `icmp ${at.site} 0`, `tcp ${at.other} 80`))
  const named = await attempt(one, ['name', 'example.org'], ['name', 'nowhere.test'])
  expect(named).toMatchObject({ 'name example.org 0': at.site, 'name nowhere.test 0': 'refused' })
  await host.call('destroy', one)
})

test('nothing near is ever reached: other capsules, the host at any address, private networks, metadata, IPv6', async () => {
  const there = [
    [at.lan, 80],
    [at.metadata, 80],
    [at.site, 80],
    [at.site6, 80],
    [at.host, 8080],
    [at.hostInLan, 8080],
  ] as const
  for (const [address, port] of there)
    expect([address, await world.services.call('reach', { address, port })]).toEqual([address, true])
  const [one, other] = [await start(), await start()]
  const [own, others] = [await endsOf(one), await endsOf(other)]
  expect(await world.services.call('reach', { address: own.host, port: 8080 })).toBe(true)
  const hosts = [at.host, at.hostInLan, own.host, others.host, '10.213.0.1', '192.168.213.1']
  const attempts: Attempt[] = [
    ...hosts.flatMap((address): Attempt[] => [
      ['tcp', address, 8080],
      ['udp', address, 8080],
      ['icmp', address],
    ]),
    ...[own.namespace, others.namespace].flatMap((address): Attempt[] => [
      ['tcp', address, 80],
      ['icmp', address],
    ]),
    ...[at.lan, at.metadata].flatMap((address): Attempt[] => [
      ['tcp', address, 80],
      ['udp', address, 80],
      ['icmp', address],
    ]),
    ...[at.site6, at.host6].map((address): Attempt => ['tcp', address, 8080]),
    ...['224.0.0.1', '239.255.255.250', '100.64.0.1', '172.16.0.1', '168.63.129.16'].map((address): Attempt => [
      'udp',
      address,
      8080,
    ]),
  ]
  await world.seen()
  const results = await attempt(one, ...attempts)
  expect(Object.entries(results).filter(([, result]) => result === 'reached')).toEqual([])
  // What programs use fails at once, so that none has to wait for what never comes; nobody is told of multicast.
  expect(
    Object.entries(results).filter(([what, result]) => result === 'late' && !/^icmp|^udp 2[23]/.test(what)),
  ).toEqual([])
  // What only goes out is looked for where it would have come.
  const sent: Attempt[] = [
    ['spoof', at.site, 80],
    ['spoof', at.lan, 80],
    ['sctp', at.site, 80],
  ]
  const frames: Attempt[] = [at.site6, at.host6, 'ff02::1', 'fe80::1'].map((address) => ['frame6', address, 8080])
  await attempt(one, ...sent, ...frames)
  await attempt(one, ['name', 'rebind.test'], ['name', 'metadata.test'])
  expect(await attempt(one, ['tcp', at.lan, 80], ['tcp', at.metadata, 80], ['tcp', at.site, 80])).toEqual({
    ...refused(`tcp ${at.lan} 80`, `tcp ${at.metadata} 80`),
    ...reached(`tcp ${at.site} 80`),
  })
  // The last attempt came, so all before it would have come.
  expect((await world.seen()).filter((what) => !what.startsWith('name '))).toEqual([`tcp ${at.site} 80`])
  await Promise.all([one, other].map((id) => host.call('destroy', id)))
})

test('a closed capsule reaches nothing, then what is allowed by range and by name, and what is denied never', async () => {
  const one = await start(closed)
  const everything: Attempt[] = [
    ['tcp', at.site, 80],
    ['udp', at.names, 53],
    ['tcp', at.names, 53],
    ['icmp', at.site],
    ['name', 'example.org'],
  ]
  expect(await attempt(one, ...everything)).toEqual(
    refused(`tcp ${at.site} 80`, `udp ${at.names} 53`, `tcp ${at.names} 53`, `icmp ${at.site} 0`, 'name example.org 0'),
  )
  expect(await world.seen()).toEqual([])

  const both: Attempt[] = [
    ['tcp', at.site, 80],
    ['tcp', at.other, 80],
    ['tcp', at.lan, 80],
  ]
  await setNetwork(one, { allow: [`${at.site}/32`, '192.168.0.0/16'] })
  expect(await attempt(one, ...both)).toEqual({
    ...reached(`tcp ${at.site} 80`),
    ...refused(`tcp ${at.other} 80`, `tcp ${at.lan} 80`),
  })
  await setNetwork(one, { allow: ['203.0.113.0/24'], deny: [at.site] })
  expect(await attempt(one, ...both)).toEqual({
    ...reached(`tcp ${at.other} 80`),
    ...refused(`tcp ${at.site} 80`, `tcp ${at.lan} 80`),
  })

  await setNetwork(one, { allow: ['*.Example.org', 'rebind.test', 'alias.test'], deny: ['bad.example.org'] })
  expect(await attempt(one, ...both)).toEqual(refused(`tcp ${at.site} 80`, `tcp ${at.other} 80`, `tcp ${at.lan} 80`))
  const names: Attempt[] = [
    'www.example.org',
    'example.org',
    'bad.example.org',
    'alias.test',
    'other.test',
    'rebind.test',
  ].map((name) => ['name', name])
  expect(await attempt(one, ...names)).toEqual({
    'name www.example.org 0': at.site,
    'name rebind.test 0': at.lan,
    ...refused('name example.org 0', 'name bad.example.org 0', 'name alias.test 0', 'name other.test 0'),
  })
  expect(await attempt(one, ...both)).toEqual({
    ...reached(`tcp ${at.site} 80`),
    ...refused(`tcp ${at.other} 80`, `tcp ${at.lan} 80`),
  })
  await setNetwork(one, { allow: ['other.test'] })
  expect(await attempt(one, ...both)).toEqual(refused(`tcp ${at.site} 80`, `tcp ${at.other} 80`, `tcp ${at.lan} 80`))

  // Where names are denied, no other resolver tells them.
  await setNetwork(one, { internet: true, deny: ['bad.example.org'] })
  expect(await attempt(one, ['name', 'bad.example.org'], ['udp', at.names, 53], ['tcp', at.site, 80])).toEqual({
    ...refused('name bad.example.org 0', `udp ${at.names} 53`),
    ...reached(`tcp ${at.site} 80`),
  })
  await host.call('destroy', one)
})

const talk = `
import socket, time
s = socket.create_connection(("${at.site}", 7000)); s.settimeout(20)
s.recv(100)
try:
    for i in range(10**6):
        s.send(b"%d" % i)
        if not s.recv(100): raise OSError("end")
        open("/run/talk", "w").write(str(i))
        time.sleep(0.02)
except OSError as error:
    open("/run/talk", "w").write("ended by " + type(error).__name__)`

test('a connection lives through a live snapshot and ends when it is forbidden, a clone begins closed and is opened', async () => {
  const one = await start()
  await host.call('spawn', one, 'python3', ['-c', talk], 'talk')
  const said = async () => (await host.call<{ stdout: string }>('run', one, 'cat', ['/run/talk'])).stdout
  await expect.poll(async () => Number(await said()), { timeout: 20_000 }).toBeGreaterThan(3)
  const snapshot = await capture(one, true)
  const before = Number(await said())
  await expect.poll(async () => Number(await said()), { timeout: 20_000 }).toBeGreaterThan(before + 3)

  const clone = await start(closed, snapshot)
  expect(await attempt(clone, ['tcp', at.site, 80])).toEqual(refused(`tcp ${at.site} 80`))
  await setNetwork(clone, { internet: true })
  expect(await attempt(clone, ['tcp', at.site, 80], ['name', 'example.org'])).toMatchObject(
    reached(`tcp ${at.site} 80`),
  )

  await setNetwork(one, closed)
  await expect.poll(said, { timeout: 20_000 }).toBe('ended by ConnectionResetError')
  await Promise.all([one, clone].map((id) => host.call('destroy', id)))
})

test('after a crash of the server networks of living capsules are as they were, and all others are gone', async () => {
  const [kept, dropped] = [await start(closed), await start()]
  await setNetwork(kept, { allow: [at.site] })
  await host.end()
  expect((await namespacesLeft()).length).toBeGreaterThanOrEqual(2)
  await openHost([kept], { ...settings, ready: 0 })
  expect(await namespacesLeft()).toHaveLength(1)
  expect(await attempt(kept, ['tcp', at.site, 80], ['tcp', at.other, 80], ['name', 'example.org'])).toEqual({
    ...reached(`tcp ${at.site} 80`),
    ...refused(`tcp ${at.other} 80`, 'name example.org 0'),
  })
  await setNetwork(kept, { internet: true })
  expect(await attempt(kept, ['name', 'example.org'])).toEqual({ 'name example.org 0': at.site })
  expect(dropped).not.toBe(kept)
  await host.call('destroy', kept)
  await expect.poll(namespacesLeft, { timeout: 10_000 }).toEqual([])
})

test('what was captured with a network runs without one, where all fails at once, and the other way round', async () => {
  const one = await start()
  expect(await attempt(one, ['tcp', at.site, 80])).toEqual(reached(`tcp ${at.site} 80`))
  const withNetwork = await capture(one, false)
  await host.call('destroy', one)
  await host.call('close')
  await host.end()

  const facts = await openHost([], { ...settings, mode: 'off' }, [withNetwork])
  expect(facts.network).toMatchObject({ isThere: false })
  const without = await start(openNetwork, withNetwork)
  expect(await attempt(without, ['tcp', at.site, 80], ['udp', at.site, 80], ['name', 'example.org'])).toEqual(
    refused(`tcp ${at.site} 80`, `udp ${at.site} 80`, 'name example.org 0'),
  )
  await expect(setNetwork(without, { internet: true })).rejects.toMatchObject({ code: 'host_unavailable' })
  await setNetwork(without, closed)
  const withoutNetwork = await capture(without, false)
  await host.call('destroy', without)
  await host.end()

  await openHost([], settings, [withoutNetwork])
  const again = await start(openNetwork, withoutNetwork)
  expect(await attempt(again, ['tcp', at.site, 80], ['name', 'example.org'])).toEqual({
    ...reached(`tcp ${at.site} 80`),
    'name example.org 0': at.site,
  })
  await host.call('destroy', again)
})
