/**
 * An image's memory, ready to be restored: the image is booted once for each size and machine, and captured as soon as
 * its agent answers and its service, where it has one, can be used. From then on a start of that size restores.
 */
import { link, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { Problem, type VerifiedPart } from '@wrenn/wire'
import { AgentChannel } from '../agent/channel.js'
import { askHealth } from '../agent/health.js'
import { prepare } from '../agent/prepare.js'
import type { AgentHealth } from '../agent/shapes.js'
import type { Context } from '../context.js'
import { freeze, makeMachineDirectory, makeSparseFile, type MachineDirectory } from '../disk/directory.js'
import { entries } from '../fs/durable.js'
import { imageLayers, names } from '../paths.js'
import { vmUser } from '../process/user.js'
import { FORMAT } from '../snapshots/manifest.js'
import { openSnapshot, publishSnapshot, type Snapshot } from '../snapshots/store.js'
import type { Verifier } from '../snapshots/verify.js'
import { Undo } from '../undo.js'
import type { BootSpec, Needs, Vm } from '../vmm/types.js'
import { abortable } from '../wait.js'
import { digestOf } from './recipe.js'
import { startService } from './service.js'
import type { Image } from './store.js'
import { tscKhz } from './tsc.js'
import { warmUp } from './warm.js'

export interface Size {
  vcpus: number
  memoryMb: number
}

/**
 * How long each try of a boot may take until the agent answers, in milliseconds. Where the kernel has to measure the
 * rate of its clock (`tsc.ts`), it hangs for good when all processors are busy in that instant, and another try is the
 * cure; a good boot takes some five seconds.
 */
const BOOT_TRIES_MS = [15_000, 15_000, 20_000, 30_000, 60_000]
const PREPARE_MS = 60_000
/** Part of the name of what is ready; raised when what is done before the capture changes. */
const READY = 3
/**
 * What every boot's command line begins with. The console is for error messages alone. Memory is wiped when it is freed rather than
 * when it is given out: what a program left behind reaches no snapshot, and takes no room in one. What nothing in a
 * capsule uses is off, since each start runs through it: security modules without a policy, and pressure accounting.
 */
const COMMAND_LINE = 'console=ttyS0 quiet loglevel=3 panic=-1 reboot=t init_on_free=1 lsm=landlock,yama psi=0'

export class ReadyImages {
  readonly #making = new Map<string, Promise<Snapshot>>()
  readonly #closing = new AbortController()

  constructor(private readonly context: Context) {}

  /**
   * The ready snapshot of an image for a size. Two who ask at once wait for one boot.
   * @throws Problem `invalid_request` for a size that is too small for it
   */
  async get(image: Image, size: Size): Promise<Snapshot> {
    if (size.memoryMb < (image.min_memory_mb ?? 0)) {
      const hint = `Ask for memory_mb of ${image.min_memory_mb} or more.`
      throw new Problem('invalid_request', `memory_mb: ${size.memoryMb} is too little for ${image.name}.`, { hint })
    }
    const { driver, paths } = this.context
    const { needs } = await driver.probe()
    const dir = paths.ready(image.id, sizeName(size, needs))
    const ready = await openSnapshot(dir)
    if (ready) return ready
    const making = this.#making.get(dir) ?? this.#make({ image, size, dir }).finally(() => this.#making.delete(dir))
    this.#making.set(dir, making)
    return making
  }

  /** Reads all that is ready of an image. */
  async verify(image: Image, verifier: Verifier): Promise<VerifiedPart[]> {
    const folder = this.context.paths.readyOf(image.id)
    const parts: VerifiedPart[] = []
    for (const size of await entries(folder)) {
      const snapshot = await openSnapshot(join(folder, size))
      for (const part of snapshot ? await verifier.verify(snapshot) : [])
        parts.push({ ...part, name: `${size}/${part.name}` })
    }
    return parts
  }

  /** Ends the boots that are under way; those who wait for them get an error. */
  async close(): Promise<void> {
    this.#closing.abort(new Problem('host_unavailable', 'The server stops.'))
    await Promise.allSettled(this.#making.values())
  }

  async #make({ image, size, dir }: Make): Promise<Snapshot> {
    const { driver, log, paths, runTask } = this.context
    const { signal: closing } = this.#closing
    const { needs } = await driver.probe()
    const name = `${image.id}-${sizeName(size, needs)}`
    await using undo = new Undo(log)
    const booted = await bootImage({
      context: this.context,
      image,
      size,
      name,
      undo,
      boot: (spec, signal) => driver.boot(spec, signal),
      log,
      signal: closing,
    })
    const { vm, machine, health } = booted
    const { name: template, service } = image
    if (service) await startService(booted.channel, { name: template, service }, closing)

    const staged = join(paths.staging, `${name}-ready`)
    await rm(staged, { recursive: true, force: true })
    await mkdir(staged, { mode: 0o755 })
    undo.add('staged image', () => rm(staged, { recursive: true, force: true }))
    await warmUp(booted.channel, log)
    await prepare(booted.channel, PREPARE_MS)
    const { devices } = await vm.capture({ goesOn: false })
    await vm.stop()
    await writeFile(join(staged, names.devices), devices, { flag: 'wx', mode: 0o444 })

    await runTask('copySparse', { from: join(machine.dir, names.memory), to: join(staged, names.memory) })
    await link(join(machine.dir, machine.top), join(staged, imageLayers.boot))
    await freeze(join(staged, imageLayers.boot))
    await mkdir(paths.readyOf(image.id), { recursive: true })
    return await publishSnapshot({
      staged,
      final: dir,
      files: [
        { name: imageLayers.root, from: join(image.dir, imageLayers.root), own: false },
        ...[names.memory, names.devices, imageLayers.boot].map((file) => ({ name: file, own: true })),
      ],
      manifest: {
        id: name,
        purpose: 'template',
        image: { id: image.id, name: image.name },
        vcpus: size.vcpus,
        memory_mb: size.memoryMb,
        disk_size_mb: image.disk_size_mb,
        memory: { base: names.memory, difference: null, changed_bytes: 0, packed: false },
        disk: [imageLayers.root, imageLayers.boot],
        devices: names.devices,
        needs,
        versions: { kernel: image.kernel, vmm: `${needs.vmm} ${needs.vmmVersion}`, agent: health.version },
      },
      lasting: true,
      runTask,
    })
  }
}

interface Make {
  image: Image
  size: Size
  dir: string
}

export interface BootImage {
  context: Pick<Context, 'paths'>
  image: Image
  size: Size
  /** Unique among what is being made. */
  name: string
  /** Takes what has to be given back when the machine is not needed any more. */
  undo: Undo
  boot: (spec: BootSpec, signal: AbortSignal) => Promise<Vm>
  /** How long each try may take until the agent answers, in milliseconds. */
  triesMs?: number[]
  log: Logger
  /** Ends all tries. */
  signal?: AbortSignal
}

export interface Booted {
  vm: Vm
  machine: MachineDirectory
  channel: AgentChannel
  health: AgentHealth
}

/** Boots an image cold, in a directory of its own, until its agent answers. */
export async function bootImage({ triesMs = BOOT_TRIES_MS, undo, ...boot }: BootImage): Promise<Booted> {
  for (const [i, deadlineMs] of triesMs.entries()) {
    const attempt = new Undo(boot.log)
    try {
      const commandLine = await commandLineOf(i > 0)
      const booted = await tryToBoot({ ...boot, commandLine }, attempt, deadlineMs)
      undo.add('boot', () => attempt[Symbol.asyncDispose]())
      return booted
    } catch (err) {
      await attempt[Symbol.asyncDispose]()
      boot.signal?.throwIfAborted()
      if (i === triesMs.length - 1) throw err
      boot.log.warn({ err, image: boot.image.id }, 'an image did not boot in time and is tried again')
    }
  }
  throw new Error('a boot without a try')
}

/**
 * As long as the kernel can measure, it does so, and keeps time by its timer: that holds on any machine. Where it could not,
 * it is told the rate of the counter and keeps time by that, since its measure of the timer would be as bad.
 */
async function commandLineOf(hasFailed: boolean): Promise<string> {
  const khz = hasFailed ? await tscKhz() : undefined
  return khz === undefined ? COMMAND_LINE : `${COMMAND_LINE} tsc_early_khz=${khz} tsc=reliable`
}

async function tryToBoot(
  attempt: Omit<BootImage, 'undo' | 'triesMs'> & { commandLine: string },
  undo: Undo,
  deadlineMs: number,
): Promise<Booted> {
  const { context, image, size, name, boot, commandLine, signal: closing } = attempt
  const dir = join(context.paths.staging, name)
  const uid = vmUser(name)
  await rm(dir, { recursive: true, force: true })
  undo.add('boot directory', () => rm(dir, { recursive: true, force: true }))
  const files = [names.kernel, names.initramfs, imageLayers.root]
  const links = files.map((file) => ({ name: file, path: join(image.dir, file) }))
  const machine = await makeMachineDirectory({
    dir,
    links,
    disk: [imageLayers.root],
    diskSizeMb: image.disk_size_mb,
    uid,
  })
  const memory = join(dir, names.memory)
  await makeSparseFile(memory, size.memoryMb * 1024 * 1024, uid)
  const [kernel, initramfs] = [join(dir, names.kernel), join(dir, names.initramfs)]
  const signal = AbortSignal.any([AbortSignal.timeout(deadlineMs), ...(closing ? [closing] : [])])
  const vm = await boot({ ...machine, ...size, name, memory, kernel, initramfs, commandLine }, signal)
  undo.add('vm', () => vm.stop())
  const channel = new AgentChannel(vm)
  undo.add('agent channel', () => channel.close())
  try {
    const exited = vm.exited.then(({ reason }) => Promise.reject(new Error(reason)))
    await abortable(Promise.race([channel.connect(deadlineMs), exited]), signal)
    return { vm, machine, channel, health: await askHealth(channel, signal) }
  } catch (cause) {
    const said = new Error(`console:\n${await vm.consoleTail()}`, { cause })
    throw new Problem('host_unavailable', `The image ${image.name} does not boot.`, { cause: said })
  }
}

/** Names a size on a machine: what was captured under one is not restored under another. */
function sizeName({ vcpus, memoryMb }: Size, needs: Needs): string {
  return `${vcpus}x${memoryMb}-${needs.accelerator}-${digestOf(FORMAT, READY, COMMAND_LINE, needs)}`
}
