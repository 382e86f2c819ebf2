/** What a client is told when the machine lets us down: never how it is made. */
import { isProblem, Problem } from '@wrenn/wire'

interface Told {
  hint: string
  code: 'insufficient_storage' | 'host_unavailable'
  message: string
}

const full: Told = {
  code: 'insufficient_storage',
  message: 'There is not enough disk space on this host.',
  hint: 'What runs goes on. Delete templates or capsules that you no longer need, and try again.',
}
const descriptors: Told = {
  code: 'host_unavailable',
  message: 'This host has too many files open.',
  hint: 'What runs goes on. Try again in a moment.',
}

/** By the code of the error of the system. */
const told: Readonly<Record<string, Told>> = {
  ENOSPC: full,
  EDQUOT: full,
  EROFS: {
    code: 'host_unavailable',
    message: 'The disk of this host cannot be written to.',
    hint: 'What runs goes on. Whoever keeps the server has to make its data directory writable again.',
  },
  EIO: {
    code: 'host_unavailable',
    message: 'The disk of this host does not work as it should.',
    hint: 'What runs goes on. Whoever keeps the server has to look at its disk: the log of the server says more.',
  },
  EMFILE: descriptors,
  ENFILE: descriptors,
  EAGAIN: {
    code: 'host_unavailable',
    message: 'This host has too many processes.',
    hint: 'What runs goes on. Try again in a moment.',
  },
}

/** The Problem in an error; of any other error its reason, as far as that is anybody else's business, after `message`. */
export function hostProblem(error: unknown, message: string): Problem {
  if (isProblem(error)) return error
  const why = told[String((error as NodeJS.ErrnoException).code)]
  if (!why) return new Problem('host_unavailable', message, { cause: error })
  return new Problem(why.code, `${message} ${why.message}`, { cause: error, hint: why.hint })
}

/** Does the work; what it throws is a Problem. */
export async function telling<T>(message: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw hostProblem(error, message)
  }
}
