/** Cells of code in a kernel that keeps running: variables, imports and plots stay from one call to the next. */
import { resultOf, type Execution, type ExecutionError, type MimeBundle, type Result } from './code-results.js'
import type { Commands } from './commands.js'
import { errorOf } from './errors.js'
import type { CommandEvent } from './follow.js'
import type { Files } from './files.js'
import { splitLines } from './lines.js'
import type { RequestOptions } from './transport.js'

export interface RunCodeOptions extends RequestOptions {
  /** How long the cell may take, in seconds; then it is interrupted, and the execution says so. Default 30. */
  timeoutSec?: number
  /** The name of a Jupyter kernelspec. Default `wrenn`, which is Python. */
  kernel?: string
  /** Told of what the cell prints, as it prints it. */
  onStdout?: (text: string) => void
  onStderr?: (text: string) => void
  /** Told of each value, table and picture. */
  onResult?: (result: Result) => void
  /** Told of the exception that ended the cell. */
  onError?: (error: ExecutionError) => void
}

/** A line of the code runner's answer; images/code-runner has the other half. */
type Line =
  | { type: 'stdout' | 'stderr'; text: string }
  | { type: 'result'; main: boolean; data: MimeBundle }
  | ({ type: 'error' } & ExecutionError)
  | { type: 'end'; execution_count: number | null; timed_out: boolean }
  | { type: 'refused'; message: string }

// It is reached through a program in the capsule, because names like `8888-cl-….127.0.0.1` mean nothing to most resolvers.
const RUNNER = 'http://127.0.0.1:8888/wrenn/run'
/** The most that is passed as an argument; Linux takes up to 128 KiB. */
const LONGEST_ARGUMENT = 100_000
/** What curl says when nothing listens. */
const REFUSED = 7
const DEFAULT_TIMEOUT_SEC = 30
/** How much longer than the cell the whole may take, in seconds: an interrupt takes a moment, and so does another's cell. */
const GRACE_SEC = 30
const LONGEST_SEC = 86_400

/** What of a capsule running code takes. */
export interface CodeRunner {
  commands: Commands
  files: Files
}

/** Runs a cell to its end. */
export async function runCode(capsule: CodeRunner, code: string, options: RunCodeOptions = {}): Promise<Execution> {
  const { timeoutSec = DEFAULT_TIMEOUT_SEC, kernel } = options
  const asked = JSON.stringify({ code, kernel, timeout_sec: timeoutSec })
  if (new TextEncoder().encode(asked).length <= LONGEST_ARGUMENT) return send(capsule, asked, options)
  const path = `/tmp/wrenn-cell-${crypto.randomUUID()}.json`
  await capsule.files.write(path, asked, options)
  try {
    return await send(capsule, `@${path}`, options)
  } finally {
    await capsule.files.remove(path).catch(() => {})
  }
}

async function send({ commands }: CodeRunner, data: string, options: RunCodeOptions): Promise<Execution> {
  const { timeoutSec = DEFAULT_TIMEOUT_SEC, signal } = options
  const headers = ['-H', 'Content-Type: application/json', '-H', 'Expect:']
  const args = ['-sS', '--fail', '--no-buffer', ...headers, '--data-binary', data, RUNNER]
  const limit = Math.min(Math.ceil(timeoutSec) + GRACE_SEC, LONGEST_SEC)
  const events = commands.stream({ cmd: 'curl', args }, { timeoutSec: limit, ...(signal ? { signal } : {}) })
  const execution: Execution = { results: [], logs: { stdout: [], stderr: [] }, timedOut: false }
  let isWhole = false
  // To the end of curl: leaving before would be to kill it.
  for await (const text of splitLines(stdoutOf(events))) isWhole = take(execution, JSON.parse(text) as Line, options)
  if (isWhole) return execution
  throw errorOf('The code runner broke off before the cell had ended.', { code: 'agent_error', status: 502 })
}

/** Takes a line in and tells of it; true when it is the last. */
function take(execution: Execution, line: Line, on: RunCodeOptions): boolean {
  switch (line.type) {
    case 'stdout':
    case 'stderr':
      execution.logs[line.type].push(line.text)
      void (line.type === 'stdout' ? on.onStdout : on.onStderr)?.(line.text)
      return false
    case 'result': {
      const result = resultOf(line.data, line.main)
      execution.results.push(result)
      if (line.main && result.text !== undefined) execution.text = result.text
      on.onResult?.(result)
      return false
    }
    case 'error':
      execution.error = { name: line.name, value: line.value, traceback: line.traceback }
      on.onError?.(execution.error)
      return false
    case 'refused':
      throw errorOf(line.message, { code: 'invalid_request', status: 400 })
    case 'end':
      if (line.execution_count !== null) execution.executionCount = line.execution_count
      execution.timedOut = line.timed_out
      return true
  }
}

async function* stdoutOf(events: AsyncIterable<CommandEvent>): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder()
  let complaint = ''
  for await (const event of events) {
    if (event.type === 'stdout') yield event.data
    else if (event.type === 'stderr') complaint += decoder.decode(event.data, { stream: true })
    else if (event.type === 'exit' && event.exitCode !== 0) throw failed(event.exitCode, complaint)
  }
}

function failed(exitCode: number, complaint: string): Error {
  const facts = { code: 'agent_error', status: 502 }
  if (exitCode !== REFUSED) return errorOf(`The code runner could not be asked: ${complaint.trim() || exitCode}`, facts)
  const hint = 'Create the capsule from the template code-runner-beta, or from a snapshot of such a capsule.'
  return errorOf('No code runner listens in this capsule.', { ...facts, hint })
}
