import { Problem, type ExecBody } from '@wrenn/wire'

export function lost(): Problem {
  return new Problem('agent_error', 'The capsule was lost while the program ran.')
}

/** Without the command: the message is logged, and a request's body is not. */
export function timedOut({ timeout_sec }: Pick<ExecBody, 'timeout_sec'>): Problem {
  return new Problem('agent_error', `The program timed out: it did not end in ${timeout_sec} s, and was killed.`, {
    hint: 'Raise timeout_sec, or run it in the background.',
  })
}
