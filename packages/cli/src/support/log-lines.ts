/** Which lines of logs may be given away, and what of them. */
import { z } from 'zod'
import { withoutQuotes } from './redact.js'

/** What a vm's programs say themselves: a guest's console is not in this log. */
const said = /^(?:\S*\/)?(?:qemu-system-x86_64|qemu-storage-daemon|bwrap|setpriv|prlimit|nsenter|nice): /

/** A line of a vm's log; undefined when it is to be left out. */
export function vmmLine(line: string): string | undefined {
  return said.test(line) ? withoutQuotes(line.slice(0, 1000)) : undefined
}

const id = z
  .string()
  .regex(/^[a-z]{2,5}-[0-9a-z]{25}$|^req-[0-9a-f]{16}$/)
  .optional()
  .catch(undefined)
const word = z
  .string()
  .regex(/^[A-Za-z][\w.-]{0,39}$/)
  .optional()
  .catch(undefined)
const count = z.number().optional().catch(undefined)

/** An error and what it came from, without its message: that may say what a user wrote. */
const error = z.object({ type: word, code: word, stack: z.string().optional().catch(undefined) })

const lineSchema = z.object({
  level: z.number(),
  time: z.number(),
  pid: count,
  // Written in our code.
  msg: z.string().max(300).optional().catch(undefined),
  ...{ capsule: id, snapshot: id, version: id, requestId: id, reqId: id, number: count },
  err: error.optional().catch(undefined),
})

/** A line of the server's log; undefined when it is to be left out. */
export function serverLine(line: string): string | undefined {
  try {
    const { err, msg, time, ...rest } = lineSchema.parse(JSON.parse(line))
    const failed = err && { ...err, stack: placesIn(err.stack) }
    return JSON.stringify({ ...rest, time: new Date(time).toISOString(), msg: msg && withoutQuotes(msg), err: failed })
  } catch {
    return undefined
  }
}

/** Where an error came from: the lines of its stack that name places in programs. */
function placesIn(stack: string | undefined): string[] | undefined {
  return stack?.split('\n').flatMap((line) => {
    const [, place] = /^\s+at (.*[\w.-]+\.[cm]?[jt]s:\d+:\d+\)?)$/.exec(line) ?? []
    return place ?? []
  })
}
