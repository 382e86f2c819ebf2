/**
 * A fresh connection to the agent (agent/PROTOCOL.md, "Linking").
 *
 * The guest may have been captured in the middle of a connection whose host end no longer exists, and bytes of that
 * may still come either way. So each connection is asked for on the control port and begins with a random marker: whatever comes
 * before the marker belongs to the past.
 */
import { randomBytes } from 'node:crypto'
import { connect, type ClientHttp2Session } from 'node:http2'
import type { Duplex } from 'node:stream'
import type { Vm } from '../vmm/types.js'
import { abortable } from '../wait.js'

/**
 * How far an answer runs ahead of its reader: what one that nobody reads costs us. It is also the most that is under way, so
 * this over the time of a round trip is the fastest that a file is read; on a local socket, more than 256 KiB is no faster.
 */
const WINDOW = 512 * 1024
/** Of all answers together. Many times that of one, or an answer that nobody reads could stop the others. */
const CONNECTION_WINDOW = 64 * 1024 * 1024

/** The agent answers each `link` line with some 40 bytes, and there is one for each connection. */
const MOST_CONTROL = 64 * 1024

/** Opens a connection and speaks HTTP/2 on it. Whatever the agent was connected to before is dropped by it. */
export async function link(vm: Vm, signal: AbortSignal): Promise<ClientHttp2Session> {
  const data = await vm.openPort('data')
  const control = await vm.openPort('control').catch((error: unknown) => {
    data.destroy()
    throw error
  })
  try {
    const marker = randomBytes(16)
    const hex = marker.toString('hex')
    control.write(`\nlink ${hex}\n`)
    // Only from here on nobody in the guest takes what comes on the data port for something else.
    await abortable(skipPast(Buffer.from(`ready ${hex}\n`), control), signal)
    data.write(marker)
    await abortable(skipPast(marker, data), signal)
    const session = connect('http://agent', {
      createConnection: () => data,
      settings: { initialWindowSize: WINDOW, enablePush: false },
    })
    session.on('error', () => session.destroy())
    session.once('connect', () => {
      // An agent that closes its end at once is gone by now.
      if (!session.destroyed) session.setLocalWindowSize(CONNECTION_WINDOW)
    })
    session.once('close', () => control.destroy())
    control.once('close', () => session.destroy())
    endFlood(control)
    return session
  } catch (error) {
    data.destroy()
    control.destroy()
    throw error
  }
}

/** What comes on the control port while the connection lasts is forgotten; more than the agent could have to say ends it. */
function endFlood(control: Duplex): void {
  let left = MOST_CONTROL
  control.on('data', (chunk: Buffer) => {
    left -= chunk.length
    if (left < 0) control.destroy()
  })
}

/** Reads and forgets everything up to and including the marker; what follows stays readable. */
async function skipPast(marker: Buffer, data: Duplex): Promise<void> {
  let kept: Buffer = Buffer.alloc(0)
  await new Promise<void>((resolve, reject) => {
    const done = (settle: () => void) => {
      data.off('readable', onReadable).off('close', onClose)
      settle()
    }
    const onClose = () => done(() => reject(new Error('the connection to the agent was closed')))
    const onReadable = () => {
      for (let chunk = data.read() as Buffer | null; chunk; chunk = data.read() as Buffer | null) {
        kept = Buffer.concat([kept, chunk])
        const at = kept.indexOf(marker)
        if (at >= 0) {
          const rest = kept.subarray(at + marker.length)
          return done(() => {
            if (rest.length > 0) data.unshift(rest)
            resolve()
          })
        }
        // A marker may be cut in two by chunks; no more than its length has to be kept.
        kept = kept.subarray(Math.max(0, kept.length - marker.length + 1))
      }
    }
    data.on('readable', onReadable).on('close', onClose)
    onReadable()
  })
}
