/** A program in QEMU's place, for tests of the jail: it says on descriptor 3 what it sees and can do. */
import { once } from 'node:events'
import { chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { startInJail, type Jailed, type StartInJail } from '../jail/start.js'
import { kill } from '../process/identity.js'
import { findProgram } from '../process/programs.js'

export const inmateUser = 1_899_999_999
const MiB = 1024 * 1024

/** What every script may use. `answer` tells the test something; `ask` waits for its word. */
const PRELUDE = `
use strict;
open(my $us, '+<&=3') or die; select($us); $| = 1;
sub answer { print join(' ', @_), "\\n" }
sub ask { return scalar <$us> }
# What comes before anybody reads could be lost.
ask();
sub tried { my ($what, $ok) = @_; answer($what, $ok ? 'done' : $! + 0) }
`

export interface Inmate {
  jailed: Jailed
  /** Lines that it says, to its end. */
  lines: AsyncIterableIterator<string>
  /** Lets it go on from where it asks. */
  goOn(): void
}

export interface Yard {
  /** As a capsule's: ours, with \`own\`, its file, and \`shared\`, which it may read. Beside it is another's. */
  dir: string
  other: string
  start(script: string, options?: Partial<StartInJail>): Promise<Inmate>
  /** Starts it and resolves with all that it says. */
  hear(script: string, options?: Partial<StartInJail>): Promise<string[]>
  end(): Promise<void>
}

/** A place with the directories of two capsules, one of which belongs to the program in the jail. */
export async function openYard(): Promise<Yard> {
  const root = await mkdtemp(join(tmpdir(), 'wrenn-jail-'))
  const [dir, other] = [join(root, 'capsule'), join(root, 'other')]
  for (const one of [dir, other]) {
    await mkdir(join(one, 'run'), { recursive: true })
    await writeFile(join(one, 'own'), '')
    await writeFile(join(one, 'shared'), 'for all', { mode: 0o444 })
  }
  await writeFile(join(root, 'secret'), '')
  await chown(join(dir, 'own'), inmateUser, inmateUser)
  const started: Jailed[] = []

  async function start(script: string, options: Partial<StartInJail> = {}): Promise<Inmate> {
    const jailed = await startInJail({
      ...{ program: (await findProgram('perl'))!, args: ['-e', PRELUDE + script, dir, other] },
      ...{ cwd: join(dir, 'run'), logFile: join(root, 'log'), own: [dir], readOnly: [], devices: [], uid: inmateUser },
      limits: { fileBytes: MiB, memoryBytes: 256 * MiB, threads: 20, vcpus: 1 },
      ...options,
    })
    started.push(jailed)
    const { channel } = jailed
    channel.on('error', () => {})
    const lines = createInterface({ input: channel })[Symbol.asyncIterator]()
    const goOn = () => void channel.write('go on\n')
    goOn()
    return { jailed, lines, goOn }
  }
  async function hear(script: string, options?: Partial<StartInJail>): Promise<string[]> {
    const { lines, jailed } = await start(script, options)
    const said: string[] = []
    for await (const line of lines) said.push(line)
    await jailed.exited
    return said
  }
  async function end(): Promise<void> {
    for (const { identity, exited, channel } of started) {
      await kill(identity)
      await exited
      if (!channel.destroyed) await once(channel.destroy(), 'close')
    }
    await rm(root, { recursive: true })
  }
  return { dir, other, start, hear, end }
}
