import { basename } from 'node:path'
import { json, type Part } from '../part.js'

/** The programs that work for Wrenn. What they are given is Wrenn's alone. */
const known = /^(?:qemu-system-x86_64|qemu-storage-daemon|qemu-img|bwrap|setpriv|prlimit|nsenter|nice)$/
const MOST_CHARACTERS = 8_000

export const processes: Part = {
  name: 'processes',
  about: 'the server, and what works in the data directory; arguments only of programs that Wrenn starts',
  async collect({ processes: all }) {
    const told = all.map(({ pid, startTime, what, residentKb, state, args: [program = '', ...args] }) => {
      const name = basename(program)
      const isKnown = what === 'work' && known.test(name)
      const shown = isKnown ? args.join(' ').slice(0, MOST_CHARACTERS) : `(${args.length} left out)`
      return {
        pid,
        what,
        started_at_tick: startTime,
        resident_kb: residentKb,
        state,
        program: isKnown || name === 'node' ? name : '(another)',
        args: shown,
      }
    })
    return { entries: [json('processes.json', told)] }
  },
}
