import { readdir } from 'node:fs/promises'
import { ask, leftGroups, networkOwner, reasonOf } from '@wrenn/host/doctor'
import { json, type Part } from '../part.js'

const lines = (program: string, ...args: string[]) =>
  ask(program, ...args).catch((error: unknown) => [`could not be asked: ${reasonOf(error)}`])
const names = (folder: string) => readdir(folder).catch(() => [])

export const network: Part = {
  name: 'network',
  about: "namespaces, links, rules and control groups of Wrenn's on this machine",
  patienceMs: 20_000,
  async collect({ dataDir }) {
    const [namespaces, links, table, groups] = await Promise.all([
      names('/run/netns'),
      names('/sys/class/net'),
      lines('nft', 'list', 'table', 'inet', 'wrenn'),
      leftGroups(dataDir, []),
    ])
    const facts = {
      owner: networkOwner(dataDir),
      namespaces: namespaces.filter((name) => /^wrenn-[0-9a-f]{8}-\d+$/.test(name)),
      links: links.filter((name) => /^wrenn\d+$/.test(name)),
      groups: groups.filter((path) => /^[\w/.,-]+$/.test(path)),
    }
    return { entries: [json('network.json', facts), { name: 'rules.txt', content: `${table.join('\n')}\n` }] }
  },
}
