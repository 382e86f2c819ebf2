import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { run, ToolError } from './run.js'

test('a tool that fails says why', async () => {
  const failed = run('sh', ['-c', 'echo first; echo second >&2; exit 3'])
  await expect(failed).rejects.toThrow(/^sh failed with exit code 3:\n(first\nsecond|second\nfirst)$/)
  await expect(run('no-such-tool', [])).rejects.toBeInstanceOf(ToolError)
})

test('its lines are told as they come', async () => {
  const lines: string[] = []
  await run('sh', ['-c', 'echo a; echo b'], { onLine: (line) => lines.push(line) })
  expect(lines).toEqual(['a', 'b'])
})

test('aborting ends a tool with all that it started, and returns at once', async () => {
  // Each process that is not the tool itself holds a connection open for as long as it lives.
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const stopping = new AbortController()
  const grandchild = `exec 3<>/dev/tcp/127.0.0.1/${port}; exec sleep 600`
  const running = run('bash', ['-c', `bash -c '${grandchild}' & wait`], { signal: stopping.signal })
  const [socket] = (await once(server, 'connection')) as [Socket]
  socket.on('error', () => {}).resume()
  stopping.abort(new Error('enough'))
  await expect(running).rejects.toThrow('enough')
  await once(socket, 'close')
  server.close()
})

test('nothing is started once it was aborted', async () => {
  await expect(run('true', [], { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
})
