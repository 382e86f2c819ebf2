import { ask } from './ask.js'
import { run } from './program.js'
import { terminalOf } from './shell/terminal.js'

// A reader that has seen enough, such as `head`, is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
}
const argv = process.argv.slice(2)
const interrupted = new AbortController()
// The server and the benchmark have their own ways of ending.
if (argv[0] !== 'up' && argv[0] !== 'bench')
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.once(name, () => interrupted.abort(new Error('Interrupted.')))
const { stdin, stdout, stderr, env } = process
const asked = { input: stdin, output: stderr, signal: interrupted.signal }
process.exitCode = await run(argv, {
  env,
  stdin,
  stdout,
  stderr,
  signal: interrupted.signal,
  ...(stdin.isTTY && stderr.isTTY ? { ask: (question: string) => ask(question, asked) } : {}),
  ...(stdin.isTTY && stdout.isTTY ? { terminal: terminalOf(stdin, stdout) } : {}),
})
