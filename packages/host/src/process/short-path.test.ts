import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { listeningSocket } from '../jail/sockets.js'
import { shortPath } from './short-path.js'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'wrenn-paths-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

test('sockets are made and reached at paths of any length', async () => {
  const dir = join(root, 'a'.repeat(100), 'b'.repeat(100))
  await mkdir(dir, { recursive: true })
  const path = join(dir, 'control.sock')
  const listening = await listeningSocket(path)
  const short = await shortPath(path)
  try {
    expect(await readdir(dir)).toEqual(['control.sock'])
    const socket = connect(short.path)
    await once(socket, 'connect')
    socket.destroy()
  } finally {
    listening.close()
    await short.close()
  }
  expect(await readdir(dir)).toEqual(['control.sock'])
})
