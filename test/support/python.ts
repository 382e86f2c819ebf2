/** The published Python package of the original, fetched as its users fetch it. */
import { spawn, spawnSync } from 'node:child_process'
import { access, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { once } from 'node:events'
import { cached } from './vm.js'

// The package asks for a newer Python than many machines have; its code does not need it.
const FETCH = ['download', '--no-deps', '--only-binary=:all:', '--python-version', '3.13', '-q']
const DEPENDENCIES = ['certifi', 'httpx', 'httpx-ws', 'pydantic>=2.12.5', 'email-validator', 'typing-extensions']

/**
 * A directory for PYTHONPATH with the package.
 *
 * @param version undefined: the newest
 * @returns the directory, or in words why there is none
 */
export async function pythonSdk(version?: string): Promise<{ path: string } | { missing: string }> {
  if (spawnSync('python3', ['-m', 'pip', '--version']).status !== 0)
    return { missing: 'python3 with pip is not installed' }
  const dependencies = await cached('python/dependencies')
  if ((await readdir(dependencies)).length === 0) {
    const installed = pip('install', '-q', '--target', dependencies, ...DEPENDENCIES)
    if (installed) return { missing: installed }
  }
  const dir = await cached(`python/wrenn-${version ?? 'newest'}`)
  if (
    !(await access(join(dir, 'wrenn')).then(
      () => true,
      () => false,
    ))
  ) {
    const fetched = pip(...FETCH, '-d', dir, version ? `wrenn==${version}` : 'wrenn')
    if (fetched) return { missing: fetched }
    const wheel = (await readdir(dir)).find((name) => name.endsWith('.whl'))!
    spawnSync('python3', ['-m', 'zipfile', '-e', join(dir, wheel), dir])
  }
  return { path: `${dir}:${dependencies}` }
}

function pip(...args: string[]): string | undefined {
  const { status, stderr } = spawnSync('python3', ['-m', 'pip', '--disable-pip-version-check', ...args], {
    encoding: 'utf8',
    timeout: 240_000,
  })
  return status === 0 ? undefined : `pip ${args[0]} failed: ${stderr.trim().split('\n').at(-1)}`
}

/** Runs a Python program; fails with what it said when it does. */
export async function python(code: string, env: Record<string, string>): Promise<string> {
  const child = spawn('python3', ['-c', code], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [out, err] = ['', '']
  child.stdout.on('data', (data: Buffer) => (out += data.toString()))
  child.stderr.on('data', (data: Buffer) => (err += data.toString()))
  const [status] = (await once(child, 'close')) as [number]
  if (status !== 0) throw new Error(`python failed:\n${out}\n${err}`)
  return out
}

/**
 * A program that runs cells by the published package; its module for that has two names. It reaches the capsule's port
 * under a name below localhost, which not every machine resolves.
 */
export function codeRunner(module: 'code_runner' | 'code_interpreter'): string {
  return `
import socket
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *more, **named: resolve("127.0.0.1" if str(host).endswith("localhost") else host, *more, **named)

from wrenn.${module} import Capsule

with Capsule(wait=True) as capsule:
    print(capsule.run_code("x = 41\\nx + 1", timeout=60).text)
    print(capsule.run_code("print('hello')").logs.stdout)
    print(capsule.run_code("1 / 0").error.name)
    plot = capsule.run_code("import matplotlib.pyplot as plt\\nplt.plot([1, 2])\\nplt.show()", timeout=60)
    print(any(result.png for result in plot.results))
    table = capsule.run_code("import pandas as pd\\npd.DataFrame({'a': [1]})", timeout=60)
    print("<table" in table.results[0].html)
    print(capsule.run_code("x").text)
`
}
