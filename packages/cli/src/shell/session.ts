/** A terminal here and a program's terminal in a capsule, put together. */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { WrennConnectionError, WrennNotFoundError, type Pty } from 'wrenn'
import { Escape } from './escape.js'
import { Screen } from './screen.js'
import type { Terminal } from './terminal.js'

/** How much may be typed ahead of the program, in bytes; a large paste waits. */
const TYPED_AHEAD = 1024 * 1024
/** How long what was typed before the escape may take, in milliseconds. */
const LAST_KEYS_MS = 1_000
const BELL = '\x07'

/** How it was left: with the program's exit code, or by the escape. */
export type Ending = { exitCode: number } | 'left'

/** Runs until the program ends or the escape is typed; the terminal is as it was before in any case. */
export async function session(
  terminal: Terminal,
  open: (signal: AbortSignal) => Promise<Pty>,
  signal: AbortSignal,
): Promise<Ending> {
  const leaving = new AbortController()
  const either = AbortSignal.any([signal, leaving.signal])
  const screen = new Screen()
  // Until it is there, Ctrl-C means this program.
  const pty = await open(either)
  const undo = [terminal.raw()]
  try {
    undo.push(passKeys(terminal, pty, leaving), passSize(terminal, pty, leaving))
    for await (const bytes of pty) {
      screen.saw(bytes)
      if (!terminal.output.write(bytes)) await once(terminal.output, 'drain', { signal: either })
    }
    return { exitCode: await pty.exitCode }
  } catch (error) {
    signal.throwIfAborted()
    if (leaving.signal.reason === 'escape') return 'left'
    leaving.signal.throwIfAborted()
    throw error
  } finally {
    for (const one of undo.reverse()) one()
    // What is under way would keep this program here.
    leaving.abort('over')
    terminal.output.write(screen.undo())
  }
}

/** Sends what is typed. Returns what ends that. */
function passKeys({ input, output }: Terminal, pty: Pty, leaving: AbortController): () => void {
  const escape = new Escape()
  let ahead = 0
  const type = (typed: Buffer) => {
    const { send, escaped } = escape.take(typed)
    if (send.length > 0) {
      ahead += send.length
      if (ahead > TYPED_AHEAD) input.pause()
      pty
        .write(send)
        .catch((error: unknown) => {
          // The output tells of the end.
          if (error instanceof WrennNotFoundError) return
          // The output waits for a new connection; these keys are lost, and that is to be heard.
          if (error instanceof WrennConnectionError) output.write(BELL)
          else leaving.abort(error)
        })
        .finally(() => {
          ahead -= send.length
          if (ahead <= TYPED_AHEAD && input.isPaused() && input.listeners('data').includes(type)) input.resume()
        })
    }
    if (!escaped) return
    input.off('data', type)
    void leave()
  }
  const leave = async () => {
    const { signal } = leaving
    // Behind all that was typed; who typed it has been told what failed.
    await Promise.race([pty.write(''), delay(LAST_KEYS_MS, undefined, { signal })]).catch(() => {})
    leaving.abort('escape')
  }
  const gone = () => leaving.abort(new Error('The terminal is gone.'))
  input.on('data', type).once('end', gone)
  return () => void input.off('data', type).off('end', gone)
}

/** Makes the program's terminal as large as this one, whenever that changes. Returns what ends that. */
function passSize(terminal: Terminal, pty: Pty, leaving: AbortController): () => void {
  let sent = terminal.size()
  let isSending = false
  const send = async () => {
    if (isSending) return
    isSending = true
    try {
      // One at a time, and only the last of many.
      for (let size = terminal.size(); size.cols !== sent.cols || size.rows !== sent.rows; size = terminal.size()) {
        sent = size
        await pty.resize(size, { signal: leaving.signal })
      }
    } catch {
      // The next change tries again; whether the program is there, its output tells.
    } finally {
      isSending = false
    }
  }
  return terminal.onResize(() => void send())
}
