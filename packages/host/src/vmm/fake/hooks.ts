/** The fake guest's hooks: scripts for its shell, which is given their text. */
import type { HookResult } from '@wrenn/wire'
import type { FakeGuest } from './guest.js'

type Occasion = 'before-snapshot' | 'after-restore'

const MOST_MS = 10_000

export function hasHooks(guest: FakeGuest, occasion: Occasion): boolean {
  return namesOf(guest, occasion).length > 0
}

/** Runs them in their order. Before a snapshot the first that fails is the last. */
export async function runHooks(guest: FakeGuest, occasion: Occasion): Promise<HookResult[]> {
  const results: HookResult[] = []
  for (const name of namesOf(guest, occasion)) {
    results.push(await runHook(guest, folderOf(occasion), name))
    if (occasion === 'before-snapshot' && results.at(-1)!.exit_code !== 0) break
  }
  return results
}

const folderOf = (occasion: Occasion) => `/etc/wrenn/${occasion}.d`

function namesOf({ tree }: FakeGuest, occasion: Occasion): string[] {
  const folder = folderOf(occasion)
  if (!tree.isDirectory(folder)) return []
  return tree
    .list(folder, 1)
    .filter(({ type }) => type === 'file')
    .map(({ name }) => name)
    .sort()
}

async function runHook({ tree, sessions }: FakeGuest, folder: string, name: string): Promise<HookResult> {
  const script = tree.read(`${folder}/${name}`).toString()
  const session = sessions.start({
    ...{ cmd: 'sh', args: ['-c', script.replace(/^#!.*\n/, '').trim()], cwd: '/', stdin: false },
    envs: { WRENN_HOOK: name },
    timeout_ms: MOST_MS,
  })
  const { exit_code, timed_out, duration_ms } = await session.exited
  let output = ''
  for await (const { data } of session.log.read({ tail: 4096 }).pieces) output += data.toString()
  return { name, ...(timed_out ? {} : { exit_code }), timed_out, duration_ms, output }
}
