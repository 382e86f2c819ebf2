import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { PAGE, writeFully } from './pages.js'

test('what is written to a process that has just ended fails, and is not tried for ever', async () => {
  const child = spawn('sleep', ['1000'])
  await once(child, 'spawn')
  const memory = openSync(`/proc/${child.pid}/mem`, 'r+')
  const [line = ''] = readFileSync(`/proc/${child.pid}/maps`, 'utf8').split('\n')
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(() => writeFully(memory, Buffer.alloc(PAGE), parseInt(line, 16))).toThrow('takes nothing')
  closeSync(memory)
})
