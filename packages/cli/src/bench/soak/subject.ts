/** The server that a soak is done to: `wrenn up` as a process of its own, on a data directory of its own. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { newKey } from '@wrenn/wire'
import { z } from 'zod'
import { TEMPLATE } from '../lab.js'

/** Run as its users run it: its first line has options of the runtime. */
const wrenn = fileURLToPath(new URL('../../../bin/wrenn.js', import.meta.url))
/** How long the server may take to end when it is asked to, in milliseconds. */
const STOP_MS = 30_000

const recordSchema = z.object({ vm: z.object({ pid: z.int() }) })

export interface Subject {
  url: string
  apiKey: string
  dataDir: string
  /** The process of the server. */
  readonly pid: number
  /** Ends the vmm of a capsule without a warning. */
  killVmm(capsuleId: string): Promise<void>
  /** Ends the server without a warning, and starts it again; it serves when this resolves. */
  crash(): Promise<void>
  /** Ends the server as its operator would; its capsules go on. */
  stop(): Promise<void>
}

export interface StartSubject {
  env: NodeJS.ProcessEnv
  dataDir: string
  agent: string
  /** Where what the server says is written. */
  logFile: string
}

/** Starts the server; it serves when this resolves. */
export async function startSubject({ env, dataDir, agent, logFile }: StartSubject): Promise<Subject> {
  const [apiKey, port] = [newKey(), await freePort()]
  const settings = {
    ...env,
    WRENN_DATA_DIR: dataDir,
    WRENN_LISTEN: `127.0.0.1:${port}`,
    WRENN_API_KEY: apiKey,
    WRENN_AGENT: agent,
    WRENN_TEMPLATES: TEMPLATE,
  }
  let child = await up(settings, logFile)
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }
  return {
    ...{ url: `http://127.0.0.1:${port}`, apiKey, dataDir },
    get pid() {
      return child.pid!
    },
    killVmm: async (id) => {
      const record: unknown = JSON.parse(await readFile(join(dataDir, 'capsules', id, 'capsule.json'), 'utf8'))
      process.kill(recordSchema.parse(record).vm.pid, 'SIGKILL')
    },
    crash: async () => {
      await end('SIGKILL')
      child = await up(settings, logFile)
    },
    stop: async () => {
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
      await end('SIGTERM')
      clearTimeout(timer)
    },
  }
}

/** @throws Error when it ends before it serves */
async function up(env: NodeJS.ProcessEnv, logFile: string): Promise<ChildProcess> {
  const log = await open(logFile, 'a')
  // It has a session of its own, so that Ctrl-C is ours alone.
  const child = spawn(wrenn, ['up'], { env, stdio: ['ignore', 'pipe', log.fd], detached: true })
  await log.close()
  for await (const line of createInterface({ input: child.stdout! })) {
    if (!line.startsWith('Ctrl-C')) continue
    child.stdout!.resume()
    return child
  }
  throw new Error(`The server did not start; ${logFile} says why.`)
}

/** A port that nobody listens on, and that the server can have again after a crash. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
