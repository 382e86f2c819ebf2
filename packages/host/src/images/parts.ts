/** What images are put together from: the kernel with its modules, and root file systems. Built once per recipe. */
import { chmod, cp, mkdir, mkdtemp, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { randomHex } from '@wrenn/wire'
import { entries, publish, sync } from '../fs/durable.js'
import { names, type Paths } from '../paths.js'
import { run } from '../process/run.js'
import type { RunTask } from '../worker/pool.js'
import { digestOf, type KernelRecipe, type RootRecipe } from './recipe.js'

/** Part of every digest; raised when the way of building changes. */
const BUILDER = 1
const isRoot = process.getuid?.() === 0
const DISK = 'disk.qcow2'
const RELEASE = 'release'

export interface PartsOptions {
  paths: Paths
  runTask: RunTask
  /** Told of each step, in words. */
  onStep?: ((text: string) => void) | undefined
  signal?: AbortSignal | undefined
  /** Whether others need the processors more. */
  isGentle?: boolean | undefined
}

export interface KernelPart {
  dir: string
  /** As `uname -r` says. */
  release: string
}

/** Fetches the kernel's package and takes kernel and modules out of it; nothing is installed. */
export async function kernelPart(recipe: KernelRecipe, options: PartsOptions): Promise<KernelPart> {
  const dir = await part({ kind: 'kernel', recipe }, options, async (staged) => {
    const tree = join(staged, 'tree')
    await mkdir(tree)
    await bootstrap(
      { suite: recipe.suite, packages: [recipe.package], variant: 'extract', archive: join(staged, 'kernel.tar') },
      options,
    )
    await run('tar', [
      '-xf',
      join(staged, 'kernel.tar'),
      '-C',
      tree,
      '--wildcards',
      '--no-anchored',
      'vmlinuz-*',
      '*/kernel/drivers/*.ko*',
      '*/kernel/net/core/*.ko*',
    ])
    const image = (await readdir(join(tree, 'boot'))).find((name) => name.startsWith('vmlinuz-'))!
    await options.runTask('extractKernel', { from: join(tree, 'boot', image), to: join(staged, names.kernel) })
    await takeModules(tree, staged, recipe.modules)
    await writeFile(join(staged, RELEASE), image.slice('vmlinuz-'.length))
    await rm(tree, { recursive: true })
    await rm(join(staged, 'kernel.tar'))
  })
  return { dir, release: await readFile(join(dir, RELEASE), 'utf8') }
}

/** Copies the wanted modules, unpacked. A module that the kernel has built in is in no file. */
async function takeModules(tree: string, into: string, wanted: string[]): Promise<void> {
  const files = (await readdir(tree, { recursive: true })).filter((path) => /\.ko(\.xz|\.zst)?$/.test(path))
  for (const name of wanted) {
    const path = files.find(
      (file) =>
        basename(file)
          .replace(/\.ko.*$/, '')
          .replaceAll('-', '_') === name,
    )
    if (!path) continue
    await cp(join(tree, path), join(into, basename(path)))
    if (path.endsWith('.xz')) await run('xz', ['-d', join(into, basename(path))])
    if (path.endsWith('.zst')) await run('zstd', ['-d', '--rm', join(into, basename(path))])
    await rename(join(into, basename(path).replace(/\.(xz|zst)$/, '')), join(into, `${name}.ko`))
  }
}

/** Builds a root file system and returns the path of its ext4 image. */
export async function rootPart(
  { service: _service, min_memory_mb: _least, later: _later, ...recipe }: RootRecipe,
  options: PartsOptions,
): Promise<string> {
  const dir = await part({ kind: 'root', recipe }, options, async (staged) => {
    const outer = await mkdtemp(join(tmpdir(), 'wrenn-root-'))
    try {
      const place = await openPlace(outer)
      const archive = join(place, 'root.tar')
      await bootstrap({ suite: recipe.suite, packages: recipe.packages, variant: 'minbase', archive }, options)
      options.onStep?.('making the file system')
      const overlay = await makeOverlay(place, recipe.files ?? {})
      const { disk_size_mb: sizeMb, without = [] } = recipe
      await makeFileSystem({
        place,
        archive,
        overlay,
        without,
        disk: join(staged, DISK),
        sizeMb,
        signal: options.signal,
      })
    } finally {
      await rm(outer, { recursive: true, force: true })
    }
  })
  return join(dir, DISK)
}

/**
 * A directory that the users of a namespace get to. Everybody may write to it who knows its name, which nobody can list;
 * as root nobody else is let in at all.
 */
async function openPlace(outer: string): Promise<string> {
  const place = join(outer, randomHex(16))
  await mkdir(place)
  if (isRoot) return place
  await chmod(place, 0o777)
  await chmod(outer, 0o711)
  return place
}

/** A tree of the files that a recipe brings, which everybody may read, whatever the server's umask. */
async function makeOverlay(place: string, files: Record<string, string>): Promise<string> {
  const overlay = join(place, 'overlay')
  await mkdir(overlay)
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(overlay, path)), { recursive: true })
    await writeFile(join(overlay, path), content)
  }
  await run('chmod', ['-R', 'u=rwX,go=rX', overlay])
  return overlay
}

/** Makes a part under its digest, unless it is there. */
async function part(
  { kind, recipe }: { kind: string; recipe: unknown },
  { paths }: PartsOptions,
  build: (staged: string) => Promise<void>,
): Promise<string> {
  const name = `${kind}-${digestOf(BUILDER, recipe)}`
  const dir = join(paths.parts, name)
  if ((await entries(paths.parts)).includes(name)) return dir
  const staged = join(paths.staging, name)
  await rm(staged, { recursive: true, force: true })
  await mkdir(staged, { recursive: true })
  try {
    await build(staged)
    for (const file of await readdir(staged)) await sync(join(staged, file))
    await publish(staged, dir)
  } finally {
    await rm(staged, { recursive: true, force: true })
  }
  return dir
}

interface Bootstrap {
  suite: string
  packages: string[]
  variant: 'extract' | 'minbase'
  archive: string
}

/** Documentation and translations that nobody reads in a capsule. */
const left = ['/usr/share/man/*', '/usr/share/doc/*', '/usr/share/info/*', '/usr/share/locale/*']
const kept = ['/usr/share/doc/*/copyright']

async function bootstrap(
  { suite, packages, variant, archive }: Bootstrap,
  { onStep, signal, isGentle = false }: PartsOptions,
): Promise<void> {
  const paths = [
    ...left.map((path) => `--dpkgopt=path-exclude=${path}`),
    ...kept.map((path) => `--dpkgopt=path-include=${path}`),
  ]
  const mode = isRoot ? 'root' : 'unshare'
  const args = [`--mode=${mode}`, `--variant=${variant}`, `--include=${packages.join(',')}`, ...paths, suite, archive]
  const [program, ...words] = [...(isGentle ? ['nice'] : []), 'mmdebstrap', ...args] as [string, ...string[]]
  await run(program, words, { signal, onLine: (line) => tellStep(line, onStep) })
}

/** mmdebstrap says what it does in lines like "I: installing essential packages...". */
function tellStep(line: string, onStep: PartsOptions['onStep']): void {
  const step = /^I: ([a-z ]+)\.\.\.$/.exec(line)?.[1]
  if (step) onStep?.(step)
}

interface FileSystem {
  /** Where to work. */
  place: string
  archive: string
  /** A tree that is laid over the archive's. */
  overlay: string
  /** Patterns of paths of the archive that are left out. */
  without: string[]
  /** The file to make. */
  disk: string
  sizeMb: number
  signal?: AbortSignal | undefined
}

/**
 * An ext4 image with the archive's content and owners, and the overlay's files as root's. Without root that takes a
 * user namespace, which mmdebstrap sets up; its users may write only where everybody may.
 */
async function makeFileSystem({ place, archive, overlay, without, disk, sizeMb, signal }: FileSystem): Promise<void> {
  const raw = join(place, 'disk.raw')
  await (await open(raw, 'wx')).close()
  await chmod(raw, isRoot ? 0o600 : 0o666)
  await chmod(archive, 0o644)
  // Devices come from the kernel when the guest starts, and cannot be made in a user namespace.
  const script =
    'umask 022 && cd "$1" && mkdir root && archive=$2 raw=$3 size=$4 overlay=$5 && shift 5 && ' +
    'tar -xpf "$archive" -C root --numeric-owner "$@" && cp -r "$overlay/." root && ' +
    'mke2fs -q -t ext4 -E root_owner=0:0 -d root "$raw" "$size"M; code=$?; rm -rf root; exit $code'
  const excludes = ['/dev/*', ...without].map((pattern) => `--exclude=.${pattern}`)
  const command = ['sh', '-c', script, 'sh', place, archive, raw, String(sizeMb), overlay, ...excludes]
  const [program, ...args] = isRoot ? command : ['mmdebstrap', '--unshare-helper', ...command]
  await run(program!, args, { signal })
  // As qcow2 the file's length is that of its content, so that reading all of it costs no more than that.
  await run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, disk], { signal })
  await chmod(disk, 0o444)
}
