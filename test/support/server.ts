/** `wrenn up` as a process of its own on real QEMU, for tests that end it, and what there is of it on the machine. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { networkOwner } from '../../packages/host/src/machine-names.js'
import { groupFolder } from '@wrenn/host'
import { Wrenn } from 'wrenn'
import { Api } from './api.js'
import type { FileCalls } from './calls/calls.js'
import { agent, processesIn } from './vm.js'

const main = fileURLToPath(new URL('../../packages/cli/dist/main.js', import.meta.url))

export interface ServerOptions {
  dataDir: string
  calls?: FileCalls
  env?: Record<string, string>
  /** What it is started by: a program with its arguments. */
  through?: string[]
}

export class UpServer {
  child!: ChildProcess
  client!: Wrenn
  api!: Api
  url!: string
  key!: string

  private constructor(private readonly options: ServerOptions) {}

  /** Starts one; resolves when it serves. */
  static async start(options: ServerOptions): Promise<UpServer> {
    const server = new UpServer(options)
    await server.start()
    return server
  }

  get dataDir(): string {
    return this.options.dataDir
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** Starts it, again. */
  async start(): Promise<void> {
    const { dataDir, calls, env = {}, through = [] } = this.options
    const settings = { WRENN_DATA_DIR: dataDir, WRENN_LISTEN: '127.0.0.1:0', WRENN_AGENT: agent }
    const command = [...through, process.execPath, ...(calls?.nodeArguments ?? []), main, 'up']
    this.child = spawn(command[0]!, command.slice(1), {
      env: { PATH: process.env['PATH'], WRENN_TEMPLATES: 'minimal', ...settings, ...calls?.env, ...env },
      stdio: ['ignore', 'pipe', process.env['LOG_LEVEL'] ? 'inherit' : 'ignore'],
    })
    let [said, url] = ['', '']
    for await (const line of createInterface({ input: this.child.stdout! })) {
      said += `${line}\n`
      url ||= /serves at (http:\/\/\S+)/.exec(line)?.[1] ?? ''
      if (line.startsWith('Ctrl-C')) break
    }
    if (!url) throw new Error(`it did not start:\n${said}`)
    this.child.stdout!.resume()
    const key = (await readFile(join(dataDir, 'api-key'), 'utf8')).trim()
    Object.assign(this, { url, key })
    this.client = new Wrenn({ baseUrl: `${url}/api`, apiKey: key })
    this.api = new Api({ url, key }, '/api')
  }

  /** Ends it, by default as nobody expects it. */
  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const { child } = this
    if (!this.isRunning) return
    const ended = once(child, 'close')
    child.kill(signal)
    await ended
  }

  /** The pid of a capsule's QEMU. */
  async pidOf(id: string): Promise<number> {
    const [pid] = await processesIn(join(this.dataDir, 'capsules', id))
    if (pid === undefined) throw new Error(`${id} has no process`)
    return pid
  }

  /** What is there of it, in files and on the machine. */
  async found(): Promise<Found> {
    const { dataDir } = this
    const names = async (name: string) => (await readdir(join(dataDir, name))).sort()
    const [capsules, snapshots, staging] = await Promise.all(['capsules', 'snapshots', 'staging'].map(names))
    const processes = await Promise.all(
      (await readdir(join(dataDir, 'capsules'))).map((id) => processesIn(join(dataDir, 'capsules', id))),
    )
    return {
      ...{ capsules: capsules!, snapshots: snapshots!, staging: staging! },
      processes: processes.flat().length,
      elsewhere: (await processesIn(dataDir)).length - processes.flat().length,
      groups: await groupsOf(dataDir),
    }
  }
}

export interface Found {
  /** The names of directories. */
  capsules: string[]
  snapshots: string[]
  staging: string[]
  /** How many work in a capsule's directory, and how many elsewhere in the data directory. */
  processes: number
  elsewhere: number
  /** The ids of capsules that have a control group, sorted. */
  groups: string[]
}

async function groupsOf(dataDir: string): Promise<string[]> {
  const top = '/sys/fs/cgroup'
  const hierarchies = ['', ...(await readdir(top).catch(() => []))]
  const all = await Promise.all(
    hierarchies.map((name) => readdir(join(top, name, groupFolder(dataDir)), { withFileTypes: true }).catch(() => [])),
  )
  const directories = all.flat().filter((entry) => entry.isDirectory())
  return [...new Set(directories.map(({ name }) => name.split('.')[0]!))].sort()
}

/** The network namespaces of a data directory's server. */
export async function namespacesOf(dataDir: string): Promise<string[]> {
  const names = await readdir('/run/netns').catch(() => [])
  return names.filter((name) => name.startsWith(`wrenn-${networkOwner(dataDir)}-`))
}
