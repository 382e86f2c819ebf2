/** Which jail this machine allows. It is tried, once. */
import { run } from '../process/run.js'
import { findProgram } from '../process/programs.js'
import { libraryArguments, readOnly } from './view.js'

export type JailKind =
  /** Namespaces, and a user that owns nothing: the server is root. */
  | 'own-user'
  /** Namespaces, and the server's user. */
  | 'same-user'
  /** Neither can be had. */
  | 'none'

export interface JailFacts {
  kind: JailKind
  /** What is missing, in words for a person. */
  missing: string | undefined
}

let found: Promise<JailFacts> | undefined

/** Which jail there is; asked once. */
export function jailFacts(): Promise<JailFacts> {
  return (found ??= findJail())
}

async function findJail(): Promise<JailFacts> {
  const isRoot = process.getuid?.() === 0
  if (!(await findProgram('bwrap')))
    return { kind: 'none', missing: 'bubblewrap is not installed: npm run setup installs it, or says how' }
  const program = (await findProgram('true'))!
  const namespaces = ['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-net']
  try {
    await run('bwrap', [...namespaces, ...(await libraryArguments()), ...readOnly(program), '--', program])
  } catch {
    return { kind: 'none', missing: `this machine lets ${isRoot ? 'root' : 'its users'} make no namespaces` }
  }
  return isRoot
    ? { kind: 'own-user', missing: undefined }
    : { kind: 'same-user', missing: 'the server is not root, so that no process can have a user of its own' }
}
