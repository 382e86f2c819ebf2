/** The system packages that Wrenn needs: finds what is missing, and installs it with apt or says how. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { has, output, run } from './run.mjs'
import { Advice } from './steps.mjs'

/** Below this, QEMU cannot map a template's memory from a file that it may only read. */
const OLDEST_QEMU = [8, 2]
const isRoot = process.getuid() === 0

/** What is needed: how to see that it is there, the package that brings it, and why. */
const needed = [
  {
    package: 'qemu-system-x86',
    why: 'runs the virtual machines (8.2 or newer)',
    isThere: () => isNewEnough(installedQemu()),
  },
  { package: 'qemu-utils', why: 'makes disk images', isThere: () => has('qemu-img') },
  {
    package: 'bubblewrap',
    why: 'keeps each virtual machine in namespaces of its own',
    isThere: () => has('bwrap'),
  },
  {
    package: 'util-linux',
    why: 'sets its limits and its user',
    isThere: () => ['prlimit', 'setpriv', 'nsenter'].every(has),
  },
  {
    package: 'mmdebstrap',
    why: 'builds the platform templates from Debian packages',
    isThere: () => has('mmdebstrap'),
  },
  { package: 'e2fsprogs', why: 'makes their file systems', isThere: () => has('mke2fs') },
  { package: 'lz4', why: 'unpacks the kernel', isThere: () => has('lz4') },
  { package: 'xz-utils', why: 'unpacks the kernel', isThere: () => has('xz') },
  { package: 'zstd', why: 'unpacks the kernel', isThere: () => has('zstd') },
  {
    package: 'debian-archive-keyring',
    why: "checks the packages' signatures",
    isThere: () => existsSync('/usr/share/keyrings/debian-archive-keyring.gpg'),
  },
  { package: 'iproute2', why: "makes the capsules' networks, as root", isThere: () => !isRoot || has('ip') },
  { package: 'nftables', why: 'holds their rules, as root', isThere: () => !isRoot || has('nft') },
  { package: 'util-linux', why: 'runs the virtual machines in them', isThere: () => !isRoot || has('nsenter') },
  { package: 'uidmap', why: 'lets templates be built without root', isThere: () => isRoot || has('newuidmap') },
  { package: 'gcc', why: 'links the guest agent', isThere: () => Boolean(process.env.WRENN_AGENT) || has('cc') },
  {
    package: 'libc6-dev',
    why: 'is linked into the guest agent',
    isThere: () => Boolean(process.env.WRENN_AGENT) || output('sh', ['-c', 'ls /usr/lib/*/libc.a']) !== undefined,
  },
]

/** Installs what is missing. Returns a note when nothing is. */
export async function installPackages(tell) {
  const missing = needed.filter(({ isThere }) => !isThere())
  if (missing.length === 0) return 'all there'
  const list = missing.map(({ package: name, why }) => `  ${name}: ${why}`).join('\n')
  console.log(`\nMissing system packages:\n${list}`)
  if (!has('apt-get'))
    throw new Advice('This machine has no apt. Install these packages by its own means, and start again.')
  const commands = commandsFor(missing.map(({ package: name }) => name))
  const prefix = isRoot ? '' : mayUseSudo() ? 'sudo ' : undefined
  if (prefix === undefined)
    throw new Advice(
      `They are installed by root. Run this, and start again:\n\n${commands.map((line) => `  sudo sh -c '${line}'`).join('\n')}\n`,
    )
  for (const command of commands) {
    console.log(`  ${prefix}${command}`)
    const sh = ['sh', '-c', command]
    await run(isRoot ? 'sh' : 'sudo', isRoot ? sh.slice(1) : sh, {
      tell,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
  }
  const still = needed.filter(({ isThere }) => !isThere()).map(({ package: name }) => name)
  if (still.length > 0) throw new Advice(`Still missing after the installation: ${still.join(', ')}.`)
  return `installed ${missing.length}`
}

/** The shell commands that install the packages here. */
function commandsFor(names) {
  const qemu = names.filter((name) => name.startsWith('qemu-'))
  const others = names.filter((name) => !name.startsWith('qemu-'))
  const install = 'apt-get install -y --no-install-recommends'
  const release = Object.fromEntries(
    readFileSync('/etc/os-release', 'utf8')
      .split('\n')
      .map((line) => line.replaceAll('"', '').split('=')),
  )
  if (qemu.length === 0 || release.VERSION_CODENAME !== 'bookworm')
    return ['apt-get update', `${install} ${names.join(' ')}`]
  // Debian 12's own QEMU is 7.2; its backports have a newer one. qemu-utils comes from the same place.
  const both = [...new Set([...qemu, 'qemu-utils'])]
  return [
    ...(hasBackports() ? [] : [`cp ${backportsSource()} /etc/apt/sources.list.d/bookworm-backports.sources`]),
    'apt-get update',
    ...(others.length > 0 ? [`${install} ${others.join(' ')}`] : []),
    `${install} -t bookworm-backports ${both.join(' ')}`,
  ]
}

function hasBackports() {
  return output('apt-cache', ['policy'])?.includes('bookworm-backports') ?? false
}

/** A file that names Debian's backports at the mirror that this machine uses already. */
function backportsSource() {
  const uri = /^\s*(?:URIs:|deb (?:\[[^\]]*\] )?)\s*(\S+\/debian)\/?(?:\s|$)/m
  const lists = output('sh', [
    '-c',
    'cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null; true',
  ])
  const [, mirror] = uri.exec(lists ?? '') ?? []
  if (!mirror)
    throw new Advice(
      "QEMU 8.2 or newer comes from Debian 12's backports, and no Debian mirror is configured here. Add one to apt's sources, and start again.",
    )
  const file = join(tmpdir(), `wrenn-backports-${process.pid}.sources`)
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
  writeFileSync(
    file,
    `Types: deb\nURIs: ${mirror}\nSuites: bookworm-backports\nComponents: main\nSigned-By: ${keyring}\n`,
  )
  return file
}

function mayUseSudo() {
  return has('sudo') && (process.stdin.isTTY || output('sudo', ['-n', 'true']) !== undefined)
}

function installedQemu() {
  return /version (\d+)\.(\d+)/
    .exec(output('qemu-system-x86_64', ['--version']) ?? '')
    ?.slice(1)
    .map(Number)
}

function isNewEnough(version) {
  if (!version) return false
  const [major, minor] = OLDEST_QEMU
  return version[0] > major || (version[0] === major && version[1] >= minor)
}
