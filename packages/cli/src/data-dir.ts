import { homedir } from 'node:os'
import { join } from 'node:path'

/** Where a server keeps its data when nothing else is said, and where the CLI looks for its key. */
export function defaultDataDir(env: NodeJS.ProcessEnv, uid: number | undefined): string {
  if (env['WRENN_DATA_DIR']) return env['WRENN_DATA_DIR']
  if (uid === 0) return '/var/lib/wrenn'
  return join(env['XDG_DATA_HOME'] || join(env['HOME'] || homedir(), '.local', 'share'), 'wrenn')
}
