/**
 * The calls of this thread that change files, so that tests can make each of them fail, wait, or be the last one.
 * Every module that imports from `node:fs` or `node:fs/promises` is affected; a worker thread has calls of its own.
 */
import fs from 'node:fs'
import { promises, type PathLike } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

/** A call that is about to be made. */
export interface FileCall {
  /** Its name in `node:fs`; of an open file as in `handle.write`. */
  name: string
  /** What it is about: one path, or two for a rename, a link or a copy. */
  paths: string[]
  /** A call that cannot wait: `around` may only let it be, or throw. */
  isSync: boolean
}

/** Stands around every call: what it returns, or resolves with, is the call's result. Usually that of `work`. */
export type AroundFileCall = (call: FileCall, work: () => unknown) => unknown

type Callable = (...args: unknown[]) => unknown
type Calls = Record<string, Callable>

const ofOnePath = [
  'writeFile',
  'appendFile',
  'rm',
  'rmdir',
  'unlink',
  'mkdir',
  'truncate',
  'chmod',
  'chown',
  'utimes',
  'mkdtemp',
]
const ofTwoPaths = ['rename', 'link', 'symlink', 'copyFile', 'cp']
const ofHandles = ['write', 'writev', 'writeFile', 'appendFile', 'truncate', 'sync', 'datasync', 'chmod', 'chown']
const ofDescriptors = ['writeSync', 'writevSync', 'ftruncateSync', 'fsyncSync', 'fdatasyncSync']
/** These call back: streams write by them. */
const ofDescriptorsLater = ['write', 'writev', 'fsync', 'fdatasync']

/** Puts `around` around the calls until what it returns is called. */
export async function aroundFileCalls(given: AroundFileCall): Promise<() => void> {
  // What it throws is the rejection of a call that promises.
  const around: AroundFileCall = (call, work) => (call.isSync ? given(call, work) : (async () => given(call, work))())
  const undo: (() => void)[] = []
  const replace = (target: object, name: string, by: (original: Callable) => Callable) => {
    const calls = target as Calls
    const original = calls[name]!
    calls[name] = by(original)
    undo.push(() => void (calls[name] = original))
  }
  const paths = (args: unknown[], count: number) => args.slice(0, count).map((path) => String(path as PathLike))
  for (const [names, count] of [
    [ofOnePath, 1],
    [ofTwoPaths, 2],
  ] as const) {
    for (const name of names) {
      const wrap = (isSync: boolean) => (original: Callable) =>
        function (this: unknown, ...args: unknown[]) {
          // A path may be an open file here, whose own calls are seen as such.
          if (typeof args[0] === 'object' && !(args[0] instanceof URL)) return original.apply(this, args)
          return around({ name, paths: paths(args, count), isSync }, () => original.apply(this, args))
        }
      replace(promises, name, wrap(false))
      replace(fs, `${name}Sync`, wrap(true))
    }
  }
  await aroundHandles(around, replace)
  aroundDescriptors(around, replace)
  syncBuiltinESMExports()
  return () => {
    for (const release of undo.reverse()) release()
    syncBuiltinESMExports()
  }
}

type Replace = (target: object, name: string, by: (original: Callable) => Callable) => void

async function aroundHandles(around: AroundFileCall, replace: Replace): Promise<void> {
  const opened = new WeakMap<object, string>()
  const handle = await promises.open('/dev/null')
  const prototype = Object.getPrototypeOf(handle) as object
  await handle.close()
  replace(promises, 'open', (original) => async (...args) => {
    const open = async () => {
      const file = (await original(...args)) as object
      opened.set(file, String(args[0]))
      return file
    }
    if (!changes(args[1])) return open()
    return around({ name: 'open', paths: [String(args[0])], isSync: false }, open)
  })
  for (const name of ofHandles)
    replace(prototype, name, (original) => {
      return function (this: object, ...args) {
        const path = opened.get(this) ?? ''
        return around({ name: `handle.${name}`, paths: [path], isSync: false }, () => original.apply(this, args))
      }
    })
}

function aroundDescriptors(around: AroundFileCall, replace: Replace): void {
  const opened = new Map<unknown, string>()
  replace(fs, 'openSync', (original) => (...args) => {
    const open = () => {
      const fd = original(...args)
      opened.set(fd, String(args[0]))
      return fd
    }
    if (!changes(args[1])) return open()
    return around({ name: 'open', paths: [String(args[0])], isSync: true }, open)
  })
  for (const name of ofDescriptors)
    replace(fs, name, (original) => (...args) => {
      return around({ name, paths: [opened.get(args[0]) ?? ''], isSync: true }, () => original(...args))
    })
  const later = (name: string, call: (args: unknown[]) => FileCall | undefined, done: Done = () => {}) =>
    replace(fs, name, (original) => (...args) => {
      const callback = args.pop() as Callback
      const about = call(args)
      const work = () =>
        new Promise<unknown[]>((resolve, reject) => {
          original(...args, (error: Error | null, ...values: unknown[]) => {
            if (error) return reject(error)
            done(args, values)
            resolve(values)
          })
        })
      const result = (about ? around(about, work) : work()) as Promise<unknown[] | undefined>
      // One that was not made at all, and did not fail, gives nothing.
      result.then((values) => callback(null, ...(values ?? [])), callback)
    })
  const openCall = ([path, flags]: unknown[]) =>
    changes(flags) ? { name: 'open', paths: [String(path)], isSync: false } : undefined
  later('open', openCall, ([path], [fd]) => opened.set(fd, String(path)))
  for (const name of ofDescriptorsLater) later(name, ([fd]) => ({ name, paths: [opened.get(fd) ?? ''], isSync: false }))
}

type Callback = (error: Error | null, ...values: unknown[]) => void
type Done = (args: unknown[], values: unknown[]) => void

/** Whether a file that is opened so may be made or changed by that. Not known for a number: taken as yes. */
function changes(flags: unknown): boolean {
  return typeof flags === 'number' ? flags !== fs.constants.O_RDONLY : !['r', 'rs', undefined].includes(flags as string)
}
