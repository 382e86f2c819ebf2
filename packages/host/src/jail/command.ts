/** The command line that puts a program into its jail. */
import type { Controller } from './groups.js'
import type { JailKind } from './kind.js'
import { prlimitArguments, type Limits } from './limits.js'
import { asItIs, device, readOnly } from './view.js'

export interface Inside {
  /** The program's file, as it is named in the jail and outside. */
  program: string
  args: readonly string[]
  /** Where it works. */
  cwd: string
  /** Files and directories that it may read, besides its own and the system's libraries. */
  readOnly: readonly string[]
  /** Files and directories where their permissions say what it may write. */
  own: readonly string[]
  devices: readonly string[]
  /** The user that it runs as; ours when absent. */
  uid?: number | undefined
  /** The one group that it is in; of its own, with the user's number, when absent. */
  gid?: number | undefined
  /** The path of the network namespace that it is put into; an empty one when absent. */
  network?: string | undefined
  limits: Limits
  /** Whether it ends when we do. */
  endsWithUs?: boolean
}

export interface Jail {
  kind: JailKind
  /** The arguments that show the system's libraries. */
  libraries: readonly string[]
  /** The file of `setpriv`. */
  setpriv: string
  /** Descriptors on which bubblewrap tells what it has started, and reads which calls are refused. */
  infoFd: number
  filterFd: number
  /** Whether a control group bounds its use of something. */
  isCounted: (what: Controller) => boolean
}

/** Where nothing else gives others their share of the processors. */
const NICE = ['nice', '-n', '5']

/** What is needed to become another user and nothing more; it is given up with that. */
const TO_CHANGE_USER = ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP']

export function jailCommand(inside: Inside, jail: Jail): string[] {
  const { program, args, limits, network, uid } = inside
  const isMemoryCounted = jail.isCounted('memory')
  return [
    ...['prlimit', ...prlimitArguments({ limits, hasOwnUser: uid !== undefined, isMemoryCounted })],
    ...(jail.isCounted('cpu') ? [] : NICE),
    ...(network === undefined ? [] : ['nsenter', `--net=${network}`, '--']),
    ...(jail.kind === 'none' ? [] : bubblewrap(inside, jail)),
    ...(uid === undefined ? [] : becoming(uid, inside, jail)),
    ...[program, ...args],
  ]
}

function bubblewrap(inside: Inside, { libraries, setpriv, infoFd, filterFd }: Jail): string[] {
  const changesUser = inside.uid !== undefined
  const kept = changesUser ? TO_CHANGE_USER.flatMap((name) => ['--cap-add', name]) : []
  return [
    'bwrap',
    ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', ...(inside.network === undefined ? ['--unshare-net'] : [])],
    // The program is process 1: its end is that of the namespace, and the only process that is told of is itself.
    ...['--as-pid-1', '--cap-drop', 'ALL', ...kept],
    ...(inside.endsWithUs ? ['--die-with-parent'] : []),
    ...libraries,
    ...['/dev/null', ...inside.devices].flatMap(device),
    ...inside.own.flatMap(asItIs),
    // After its own: what lies in there is covered.
    ...[inside.program, ...(changesUser ? [setpriv] : []), ...inside.readOnly].flatMap(readOnly),
    ...['--remount-ro', '/', '--chdir', inside.cwd, '--clearenv', '--hostname', 'jail'],
    ...['--info-fd', String(infoFd), '--seccomp', String(filterFd), '--'],
  ]
}

function becoming(uid: number, { gid = uid, endsWithUs }: Inside, { setpriv }: Jail): string[] {
  return [
    ...[setpriv, `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'],
    ...['--bounding-set=-all', '--inh-caps=-all', '--no-new-privs'],
    // The kernel forgets it when the user changes.
    ...(endsWithUs ? ['--pdeathsig', 'KILL'] : []),
  ]
}
