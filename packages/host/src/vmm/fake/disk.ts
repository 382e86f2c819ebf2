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

  /**
   * @param layers lowest first; the last is written
   * @param below what those below it hold
   */
  constructor(layers: readonly string[], below = readLayers(layers.slice(0, -1)) ?? {}) {
    this.#layers = layers
    this.#below = below
    this.#top = openSync(layers.at(-1)!, 'r+')
  }

  /** Their paths, lowest first. */
  get layers(): readonly string[] {
    return this.#layers
  }

  get below(): TreeState {
    return this.#below
  }

  /** Writes what the disk holds now, as far as the layers below do not hold it already. */
  flush(state: TreeState): void {
    ftruncateSync(this.#top, 0)
    writeSync(this.#top, JSON.stringify(changesBetween(this.#below, state)), 0)
  }

  /** From here on another layer is written. */
  addLayer(path: string, state: TreeState): void {
    this.flush(state)
    const top = openSync(path, 'r+')
    closeSync(this.#top)
    this.#below = state
    this.#layers = [...this.#layers, path]
    this.#top = top
  }

  /**
   * As QEMU does it, this refuses layers that are not there, but for those that are replaced: they were before, if the
   * record of that was lost. And it refuses another content, which QEMU does not see.
   */
  shorten({ root, into, above }: ShortenDisk): void {
    const at = this.#layers.indexOf(above)
    if (this.#layers[0] !== root || at < 1) throw new Error('these are not the layers of the disk')
    const layers = [root, into, ...this.#layers.slice(at)]
    const content = (paths: readonly string[]) => readLayers(paths.slice(0, -1)) ?? {}
    const [before, after] = [this.#below, content(layers)]
    if (Object.keys(changesBetween(before, after)).length > 0) throw new Error('the layer has another content')
    this.#layers = layers
  }

  close(): void {
    closeSync(this.#top)
  }
}
