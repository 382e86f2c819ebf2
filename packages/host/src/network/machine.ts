/** What the machine as a whole has to have for its capsules' networks. Several servers share it. */
import { access, chmod, constants, readFile, stat, writeFile } from 'node:fs/promises'
import { numberOf, resolverOf, type Range } from './addresses.js'
import { ip, ipAll, isThere, links, nft } from './commands.js'
import { hostTable, noHostTable, withoutResolver, type HostRules } from './rules/host.js'

const TUN = '/dev/net/tun'
const FORWARDING = '/proc/sys/net/ipv4/ip_forward'
const LOOPBACK = 'lo'

/** Why there can be no network here, with what to do about it; undefined when nothing speaks against it. */
export async function obstacle(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'the server is not root: run it as root'
  const tools = [
    ['ip', 'iproute2', '-V'],
    ['nft', 'nftables', '--version'],
    ['nsenter', 'util-linux', '--version'],
  ] as const
  for (const [program, name, argument] of tools)
    if (!(await isThere(program, argument))) return `${name} is not installed: npm run setup installs it, or says how`
  return access(TUN, constants.R_OK | constants.W_OK).then(
    () => undefined,
    () => `there is no ${TUN}: load the kernel module "tun", or give the container the device`,
  )
}

/** Gives the machine the address at which names are asked. Nothing else is at it. */
export async function addResolver(pool: Range): Promise<string> {
  const address = resolverOf(pool)
  await ip([`addr replace ${address}/32 dev ${LOOPBACK}`])
  return address
}

/** Makes a router of the machine, and loads its rules. @throws when it may not be changed */
export async function openMachine(rules: HostRules): Promise<void> {
  await nft(hostTable(rules))
  if ((await readFile(FORWARDING, 'utf8')).trim() !== '1') await writeFile(FORWARDING, '1')
  // As it is wherever udev runs: who may open the device can use the taps that were made for it, and make none.
  const { mode } = await stat(TUN)
  if ((mode & 0o666) !== 0o666) await chmod(TUN, mode | 0o666)
  await admitByDocker()
}

/** Takes the resolver away, and everything else when no server's capsule is left on the machine. */
export async function closeMachine({ pool, resolver }: HostRules): Promise<void> {
  await nft(withoutResolver(resolver))
  if ((await links()).some((link) => numberOf(link) !== undefined)) return
  await nft(noHostTable)
  await ipAll([`addr del ${resolverOf(pool)}/32 dev ${LOOPBACK}`])
}

/** Docker drops whatever is forwarded and is not its own, but for what its users' chain lets pass. */
async function admitByDocker(): Promise<void> {
  for (const direction of ['-i', '-o']) {
    const rule = ['DOCKER-USER', direction, 'wrenn+', '-j', 'ACCEPT']
    if (!(await isThere('iptables', '-w', '-n', '-L', 'DOCKER-USER'))) return
    if (!(await isThere('iptables', '-w', '-C', ...rule))) await isThere('iptables', '-w', '-I', ...rule)
  }
}
