/**
 * The fake machine's disk: a chain of layers, each a file that holds what it changes of those below it. An empty qcow2
 * file, as the host makes them, changes nothing.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import type { ShortenDisk } from '../types.js'
import type { TreeState } from './files/tree.js'

/** `undefined` cannot stand in JSON: this does, for what a layer takes away. */
const GONE = false
type Changes = Record<string, string | null | typeof GONE>

/** What the layers, lowest first, hold together; undefined where nothing was ever written. */
export function readLayers(paths: readonly string[]): TreeState | undefined {
  const merged = new Map<string, string | null>()
  let isEmpty = true
  for (const path of paths) {
    for (const [name, node] of Object.entries(readLayer(path))) {
      isEmpty = false
      if (node === GONE) merged.delete(name)
      else merged.set(name, node)
    }
  }
  return isEmpty ? undefined : Object.fromEntries(merged)
}

function readLayer(path: string): Changes {
  const text = readFileSync(path, 'utf8')
  return text.startsWith('{') ? (JSON.parse(text) as Changes) : {}
}

/** What has to be changed of one state to make it the other. */
export function changesBetween(before: TreeState, after: TreeState): Changes {
  const changed = Object.entries(after).filter(([name, node]) => before[name] !== node)
  const gone = Object.keys(before).filter((name) => !(name in after))
  return Object.fromEntries([...changed, ...gone.map((name) => [name, GONE] as [string, Changes[string]])])
}

export class FakeDisk {
  #top: number
  #below: TreeState
  #layers: readonly string[]

  /** @param layers lowest first; the last is written */
  constructor(layers: readonly string[]) {
    this.#layers = layers
    this.#below = readLayers(layers.slice(0, -1)) ?? {}
    this.#top = openSync(layers.at(-1)!, 'r+')
  }

  /** Writes what the disk holds now, as far as the layers below do not hold it already. */
  flush(state: TreeState): void {
    ftruncateSync(this.#top, 0)
    writeSync(this.#top, JSON.stringify(changesBetween(this.#below, state)), 0)
  }

  /** From here on another layer is written. */
  addLayer(path: string, state: TreeState): void {
    this.flush(state)
    closeSync(this.#top)
    this.#below = state
    this.#layers = [...this.#layers, path]
    this.#top = openSync(path, 'r+')
  }

  /** As QEMU does it, this refuses layers that are not there; and it refuses another content, which QEMU does not see. */
  shorten({ root, replaced, into, above }: ShortenDisk): void {
    const known = [root, ...replaced, above]
    if (!known.every((path, i) => this.#layers[i] === path)) throw new Error('these are not the layers of the disk')
    const layers = [root, into, ...this.#layers.slice(known.length - 1)]
    const content = (paths: readonly string[]) => readLayers(paths.slice(0, -1)) ?? {}
    const [before, after] = [content(this.#layers), content(layers)]
    if (Object.keys(changesBetween(before, after)).length > 0) throw new Error('the layer has another content')
    this.#layers = layers
  }

  close(): void {
    closeSync(this.#top)
  }
}
