/** Bytes sent to a server as they are, and what it says to them. */
import { connect } from 'node:net'
import { setImmediate as breath } from 'node:timers/promises'

/** The key of the server that is talked to. */
export const KEY = `wrn_${'0123456789abcdef'.repeat(2)}`
/** Stands for the id of a capsule that exists, in its length: what was counted stays right. */
export const CAPSULE = `cl-${'capsule'.padStart(25, '0')}`

/** A conversation as data: characters are bytes. */
export interface Talk {
  /** Sent one after the other, each by itself. */
  pieces: string[]
  /** What the client does when all is sent: ends its half, is silent, or is gone. */
  then: 'end' | 'wait' | 'reset'
}

export interface Said {
  /** What came, as bytes. */
  text: string
  /** Whether the server has closed the connection within the time. */
  isClosed: boolean
}

/** After so much silence nothing more is expected of a server that has answered: what it does may have no end. */
const QUIET_MS = 300
/** How much of an answer is kept: one may have no end. */
const ENOUGH = 1024 * 1024

/** @param ms how long is waited for the server's first word, or its end */
export async function talk(url: string, { pieces, then }: Talk, ms: number): Promise<Said> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  let text = ''
  socket.setNoDelay()
  const closed = new Promise<boolean>((resolve) => {
    let timer = setTimeout(() => resolve(false), ms)
    socket.on('data', (data) => {
      clearTimeout(timer)
      timer = setTimeout(() => resolve(false), QUIET_MS)
      if (text.length < ENOUGH) text += data.toString('latin1')
      else socket.destroy()
    })
    const over = () => {
      clearTimeout(timer)
      resolve(true)
    }
    // Its end is all that is asked of a server whose client has ended too.
    socket
      .on('error', () => {})
      .once('close', over)
      .once('end', over)
  })
  try {
    for (const piece of pieces) {
      if (socket.writable) socket.write(piece, 'latin1')
      await breath()
    }
    if (then === 'end') socket.end()
    if (then === 'reset') socket.resetAndDestroy()
    const isClosed = await closed
    return { text, isClosed }
  } finally {
    socket.destroy()
  }
}
