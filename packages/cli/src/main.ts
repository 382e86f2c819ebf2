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
const code = await run(argv, {
  env,
  stdin,
  stdout,
  stderr,
  signal: interrupted.signal,
  ...(stdin.isTTY && stderr.isTTY ? { ask: (question: string) => ask(question, asked) } : {}),
  ...(stdin.isTTY && stdout.isTTY ? { terminal: terminalOf(stdin, stdout) } : {}),
})
// What is printed is printed first. The end is not left to Node: after a socket was reset while it was shut down, taking
// everything down can turn in circles for ever (seen with Node 20.20).
for (const stream of [stdout, stderr]) await new Promise<unknown>((resolve) => stream.write('', resolve))
process.exit(code)
