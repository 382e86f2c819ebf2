import { Zstd } from '@hpcc-js/wasm-zstd'

/** Zstandard, compiled once in each thread that needs it. */
export function loadZstd(): Promise<Zstd> {
  return Zstd.load()
}
