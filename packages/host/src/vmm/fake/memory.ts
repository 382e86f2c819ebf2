/**
 * The fake machine's memory: a state as JSON, its length before it, in the pages of a memory image and its difference,
 * so that all that is done to those is done to real ones.
 */
import { closeSync, openSync, statSync, writeSync } from 'node:fs'
import { digestFile } from '../../fs/digest.js'
import { PAGE, readFully } from '../../memory/pages.js'
import { eachBlock } from '../../memory/read.js'
import { writeDifference } from '../../memory/write.js'
import type { WriteMemory, WrittenMemory } from '../types.js'

const LENGTH = 4

/** Writes a state as the difference from a base image. */
export async function writeState(state: object, base: string, into: WriteMemory): Promise<WrittenMemory> {
  const memory = pagesOf(state)
  const runs = Uint32Array.of(0, memory.length / PAGE)
  const written = await writeDifference({ from: [{ runs, buffer: memory.buffer }], base, ...into })
  return { ...written, sha256: into.lasting ? digestFile(into.into) : undefined }
}

/** Writes a state into a base image. */
export function writeBase(state: object, base: string): void {
  const fd = openSync(base, 'r+')
  try {
    writeSync(fd, pagesOf(state), 0, undefined, 0)
  } finally {
    closeSync(fd)
  }
}

function pagesOf(state: object): Buffer<SharedArrayBuffer> {
  const text = Buffer.from(JSON.stringify(state))
  const memory = Buffer.from(new SharedArrayBuffer(Math.ceil((LENGTH + text.length) / PAGE) * PAGE))
  memory.writeUInt32LE(text.length, 0)
  text.copy(memory, LENGTH)
  return memory
}

/** Reads the state of a base image and a difference; undefined where there never was one. */
export async function readState(base: string, difference?: string): Promise<object | undefined> {
  const changed = new Map<number, Buffer>()
  if (difference !== undefined) {
    await eachBlock({ difference, memoryBytes: statSync(base).size }, (page, data) => {
      for (let at = 0; at < data.length; at += PAGE)
        changed.set(page + at / PAGE, Buffer.from(data.subarray(at, at + PAGE)))
    })
  }
  const fd = openSync(base, 'r')
  try {
    const pageAt = (page: number) => changed.get(page) ?? readPage(fd, page)
    const length = pageAt(0).readUInt32LE(0)
    if (length === 0) return undefined
    const pages = Array.from({ length: Math.ceil((LENGTH + length) / PAGE) }, (_, page) => pageAt(page))
    return JSON.parse(Buffer.concat(pages).toString('utf8', LENGTH, LENGTH + length)) as object
  } finally {
    closeSync(fd)
  }
}

function readPage(fd: number, page: number): Buffer {
  const data = Buffer.alloc(PAGE)
  readFully(fd, data, page * PAGE)
  return data
}
