import { ok, warning, type Outcome } from './outcome.js'

/** What it costs not to be root. */
export function checkUser(uid: number | undefined): Outcome {
  if (uid === 0) return ok('root: each capsule has a user, a network and a jail of its own')
  return warning(`User ${uid ?? 'unknown'}: capsules have no network, and their processes are this user's.`, {
    items: ['no network for capsules', 'one user for all QEMU processes', 'the jail is weaker'],
    fix: 'Run as root where what runs in capsules is not trusted, or where it needs a network.',
  })
}
