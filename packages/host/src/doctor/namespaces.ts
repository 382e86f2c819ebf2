import { ask } from './ask.js'
import { ok, reasonOf, warning, type Outcome } from './outcome.js'

const kinds = ['user', 'mount', 'net', 'pid', 'ipc'] as const

/** Which namespaces can be made here: by making each. */
export async function checkNamespaces(isRoot: boolean, asking: typeof ask = ask): Promise<Outcome> {
  const refused: string[] = []
  for (const kind of kinds) {
    // Without root, all others take a user namespace around them.
    const within = isRoot && kind !== 'user' ? [] : ['--map-root-user']
    const fork = kind === 'pid' ? ['--fork'] : []
    await asking('unshare', `--${kind}`, ...within, ...fork, '--', 'true').catch((error: unknown) =>
      refused.push(`${kind}: ${reasonOf(error)}`),
    )
  }
  if (refused.length === 0) return ok(kinds.join(', '))
  return warning(`The system does not let namespaces be made: ${refused.map((one) => one.split(':')[0]).join(', ')}.`, {
    items: refused,
    fix: isRoot
      ? 'In a container, give it CAP_SYS_ADMIN (or run it privileged). Without namespaces capsules have no network, and their processes less of a jail.'
      : 'Allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0), or run as root. Without them templates cannot be built.',
  })
}
