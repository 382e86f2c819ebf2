/** What changes in a directory of the fake guest. */
import type { FileChange } from '@wrenn/wire'
import { posix } from 'node:path'
import { FakeError } from '../failure.js'
import { absolute, type Tree } from './tree.js'

export interface Watch {
  tree: Tree
  path: string
  isRecursive: boolean
  tell: (change: FileChange) => void
  /** Called when the directory itself is gone. */
  onEnd: () => void
}

/** Tells of changes from now on; what is returned ends that. */
export function watch({ tree, path: given, isRecursive, tell, onEnd }: Watch): () => void {
  const path = absolute(given)
  if (tree.stat(path).type !== 'directory') throw new FakeError('not_directory', `${path} is not a directory.`)
  const isWatched = (at: string) =>
    at !== path && (isRecursive ? at.startsWith(path === '/' ? '/' : `${path}/`) : posix.dirname(at) === path)
  const leave = tree.onChange((change) => {
    const seen = within(change, isWatched)
    if (seen) tell(seen)
    if (tree.isDirectory(path)) return
    leave()
    tell({ type: 'removed', path })
    onEnd()
  })
  return leave
}

/** A change as it is seen from where only some paths are watched. */
function within(change: FileChange, isWatched: (path: string) => boolean): FileChange | undefined {
  if (change.type === 'overflow') return change
  if (change.type !== 'moved') return isWatched(change.path) ? change : undefined
  const [from, to] = [isWatched(change.from), isWatched(change.path)]
  if (from && to) return change
  if (from) return { type: 'removed', path: change.from }
  return to ? { type: 'created', path: change.path } : undefined
}
