/** Starts a program in a jail. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { z } from 'zod'
import { startTimeOf, type ProcessIdentity } from '../process/identity.js'
import { CHANNEL_FD, launch, type Launched } from '../process/launch.js'
import { findProgram } from '../process/programs.js'
import { within } from '../wait.js'
import { jailCommand, type Inside, type Jail } from './command.js'
import { callFilter } from './filter.js'
import type { Groups } from './groups.js'
import { jailFacts } from './kind.js'
import type { ListeningSocket } from './sockets.js'
import type { Limits } from './limits.js'
import { libraryArguments } from './view.js'

/** The control group that a program is put into. */
export interface Group {
  groups: Groups
  name: string
}

export interface StartInJail extends Inside {
  logFile: string
  group?: Group | undefined
  /** Sockets that the program has as descriptors from 4 on. They are closed here. */
  sockets?: readonly ListeningSocket[]
}

export interface Jailed {
  /** The program itself, as the host sees it. */
  identity: ProcessIdentity
  /** Our end of the stream that the program has as descriptor 3. */
  channel: Socket
  /** Resolves when it is in its group: nothing should be asked of it before. */
  grouped: Promise<void>
  /** Resolves with the cause when the program has ended. */
  exited: Promise<string>
  /** The last that it, or what made the jail, has said, for error messages. */
  said(): string
}

type Child = Launched['child']

/** How long it may take until the program runs. */
const START_MS = 10_000
/** What bubblewrap tells is a few hundred bytes. */
const MOST_INFO = 4096

const infoSchema = z.object({ 'child-pid': z.int().min(1) })
const filter = callFilter()
const libraries = memo(libraryArguments)
const setpriv = memo(() => findProgram('setpriv'))

/**
 * Starts the program. When it resolves, the process is there but may still be on its way into the jail: a program that
 * could not be started has an end.
 */
export async function startInJail({ logFile, sockets = [], group, ...inside }: StartInJail): Promise<Jailed> {
  try {
    const { kind } = await jailFacts()
    const hasJail = kind !== 'none'
    const infoFd = CHANNEL_FD + 1 + sockets.length
    const jail: Jail = {
      ...{ kind, libraries: await libraries(), setpriv: (await setpriv()) ?? 'setpriv' },
      ...{ infoFd, filterFd: infoFd + 1, isCounted: (what) => group?.groups.has(what) ?? false },
    }
    const launched = await inGroup(group, inside.limits, () =>
      launch({
        command: jailCommand(inside, jail),
        // What keeps the jail must not be taken for what is in it.
        cwd: hasJail ? '/' : inside.cwd,
        logFile,
        descriptors: sockets.map(({ fd }) => fd),
        streams: hasJail ? 2 : 0,
      }),
    )
    return await enter(launched, { hasJail, group })
  } finally {
    for (const socket of sockets) socket.close()
  }
}

/** Makes the group for what is launched. Where that cannot be, there is no group either. */
async function inGroup<T>(group: Group | undefined, limits: Limits, work: () => Promise<T>): Promise<T> {
  try {
    await group?.groups.make(group.name, limits)
    return await work()
  } catch (error) {
    await group?.groups.remove(group.name)
    throw error
  }
}

async function enter(launched: Launched, { hasJail, group }: { hasJail: boolean; group: Group | undefined }) {
  const { child, channel, streams, said } = launched
  const exited = endOf(child)
  if (group) void exited.then(() => group.groups.remove(group.name))
  try {
    const pid = hasJail ? await pidInside(streams as [Socket, Socket], exited) : child.pid!
    const startTime = await startTimeOf(pid)
    if (!startTime) throw new Error(await exited)
    const grouped = group ? group.groups.join(group.name, pid) : Promise.resolve()
    grouped.catch(() => {})
    return { identity: { pid, startTime }, channel, grouped, exited, said }
  } catch (cause) {
    endGroup(child)
    throw new Error(`a jail could not be made: ${said()}`, { cause })
  }
}

/** Says which calls are refused, and is told which process the program is. */
async function pidInside([info, filtered]: [Socket, Socket], exited: Promise<string>): Promise<number> {
  filtered.on('error', () => {}).end(filter)
  const told = (async () => {
    let text = ''
    for await (const chunk of info as AsyncIterable<Buffer>) {
      text += chunk.toString()
      if (text.length > MOST_INFO) break
    }
    return infoSchema.parse(JSON.parse(text))['child-pid']
  })()
  const failed = exited.then((reason) => Promise.reject(new Error(reason)))
  const pid = await within(START_MS, Promise.race([told, failed]), () => new Error('the jail does not start'))
  filtered.destroy()
  return pid
}

/** Ends a program with all that it has started so far: nobody else knows of those. */
function endGroup({ pid }: Child): void {
  try {
    process.kill(-pid!, 'SIGKILL')
  } catch {
    // It has ended already.
  }
}

async function endOf(child: Child): Promise<string> {
  const [code, killer] = (await once(child, 'exit')) as [number | null, string | null]
  return killer ? `ended by ${killer}` : `ended with exit code ${code}`
}

function memo<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}
