import type { Guest } from '@wrenn/wire'
import type { Capsule } from 'wrenn'
import { TEMPLATE, type Lab } from '../lab.js'
import type { Figure } from '../types.js'
import { timed } from '../work.js'

/** A program that does nothing; the time is that of starting and ending it. */
const NOTHING = '/bin/true'
/** How many of them the guest starts for one measurement of its own. */
const REPEATED = 20
/** A shell that starts them, and says how many microseconds one took. */
const IN_THE_GUEST = `
began=$(date +%s%N)
for n in $(seq ${REPEATED}); do ${NOTHING}; done
echo $(( ($(date +%s%N) - began) / ${REPEATED} / 1000 ))`

/** A command over the API, against the same one that a shell in the guest starts. */
export const exec: Figure = {
  name: 'exec',
  rows: [{ id: 'exec', title: 'exec over the API, warm', unit: 'ms', reference: 'the same, started in the guest' }],
  open: async (lab) => {
    const capsule = await lab.client.capsules.create({ template: TEMPLATE })
    return {
      round: async () => {
        lab.signal.throwIfAborted()
        const { ms } = await timed(() => capsule.commands.run({ cmd: NOTHING }))
        const { stdout } = await capsule.commands.run(IN_THE_GUEST)
        return [{ row: 'exec', value: ms, reference: Number(stdout) / 1000 }]
      },
    }
  },
}

const MEGABYTES = 64
const PIECE = Buffer.alloc(64 * 1024, 'wrenn')
const PATH = '/root/measured'

/** Files up and down, against `cat` with its stdin and stdout on the agent's channel. */
export const files: Figure = {
  name: 'files',
  rows: [
    { id: 'up', title: `upload of ${MEGABYTES} MB`, unit: 'ms', reference: '`cat` from the channel into a file' },
    { id: 'down', title: `download of ${MEGABYTES} MB`, unit: 'ms', reference: '`cat` of the file onto the channel' },
  ],
  open: async (lab) => {
    const capsule = await lab.client.capsules.create({ template: TEMPLATE })
    const guest = lab.host.guest(capsule.id)
    return {
      round: async () => {
        lab.signal.throwIfAborted()
        const up = await timed(() => capsule.files.write(PATH, ReadableStream.from<Uint8Array>(pieces())))
        const down = await timed(async () => drained(await capsule.files.readStream(PATH)))
        const catUp = await timed(() => catInto(guest, lab))
        const catDown = await timed(() => catOut(guest, lab))
        return [
          { row: 'up', value: up.ms, reference: catUp.ms },
          { row: 'down', value: down.ms, reference: catDown.ms },
        ]
      },
    }
  },
}

function* pieces(): Generator<Uint8Array> {
  for (let left = MEGABYTES * 1_000_000; left > 0; left -= PIECE.length) yield PIECE.subarray(0, left)
}

async function* sent(): AsyncGenerator<Uint8Array> {
  yield* pieces()
}

async function drained(stream: AsyncIterable<Uint8Array>): Promise<void> {
  let size = 0
  for await (const piece of stream) size += piece.length
  if (size !== MEGABYTES * 1_000_000) throw new Error(`${size} bytes came`)
}

/** Bytes into a file by a program's stdin. */
async function catInto(guest: Guest, { signal }: Lab): Promise<void> {
  const spec = { cmd: '/bin/sh', args: ['-c', `cat > ${PATH}.cat`], stdin: true }
  const session = await guest.exec(spec, signal)
  const ended = exitOf(session.output)
  await guest.writeStdin(session.id, sent(), signal)
  await guest.endStdin(session.id, signal)
  await ended
}

/** A file's bytes by a program's stdout. */
async function catOut(guest: Guest, { signal }: Lab): Promise<void> {
  const { output } = await guest.exec({ cmd: 'cat', args: [PATH] }, signal)
  await exitOf(output)
}

async function exitOf(output: AsyncIterable<{ type: string; exitCode?: number }>): Promise<void> {
  for await (const { type, exitCode } of output) {
    if (type === 'exit' && exitCode !== 0) throw new Error(`exit code ${exitCode}`)
  }
}

const STREAMS = 100

/** Many commands whose output is read at once, against the same number one after the other. */
export const streams: Figure = {
  name: 'streams',
  rows: [
    { id: 'all', title: `${STREAMS} exec streams at once`, unit: 'ms', reference: 'the same, one after the other' },
  ],
  rounds: 3,
  open: async (lab) => {
    const capsule = await lab.client.capsules.create({ template: TEMPLATE })
    return {
      round: async () => {
        lab.signal.throwIfAborted()
        const all = await timed(() => Promise.all(Array.from({ length: STREAMS }, () => echoed(capsule))))
        const each = await timed(async () => {
          for (let n = 0; n < STREAMS; n++) await echoed(capsule)
        })
        return [{ row: 'all', value: all.ms, reference: each.ms }]
      },
    }
  },
}

async function echoed(capsule: Capsule): Promise<void> {
  let said = ''
  for await (const event of capsule.commands.stream({ cmd: 'echo', args: ['here'] }))
    if (event.type === 'stdout') said += new TextDecoder().decode(event.data)
  if (said !== 'here\n') throw new Error(`it said ${JSON.stringify(said)}`)
}
