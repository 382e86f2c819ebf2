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

async function openHost(expected: string[], network: unknown = settings): Promise<HostFacts> {
  const images = await imagesIn(dataDir, ['minimal', 'base-python'])
  imageId = images.at(-1)!.id
  host = await startIn(world.namespaces.host, 'host.mjs')
  const facts = await host.call<HostFacts>('open', { dataDir, images, network })
  await host.call('reconcile', { capsuleIds: expected, snapshotIds: [] })
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

async function start(network = openNetwork): Promise<string> {
  const capsuleId = newId('capsule')
  const source = { kind: 'image', imageId }
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

test('x', async () => {
  const one = await start()
  const t = performance.now()
  console.log(
    await attempt(
      one,
      ['tcp', at.site, 80],
      ['udp', at.site, 80],
      ['icmp', at.site],
      ['name', 'example.org'],
      ['name', 'long.test'],
      ['tcp', at.lan, 80],
      ['tcp', at.host, 8080],
    ),
    performance.now() - t,
  )
  await host.call('destroy', one)
})
