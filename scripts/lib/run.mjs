/** Runs programs. */
import { spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { Advice } from './steps.mjs'

export const root = new URL('../..', import.meta.url).pathname.replace(/\/$/, '')

/** mke2fs and its like live in sbin, which is not in everybody's PATH. */
export const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` }

const TAIL = 30

/** Runs a program quietly in the repository; `tell` gets its lines. Fails with the end of its output. */
export async function run(program, args, { tell, ...options } = {}) {
  const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'], ...options })
  const tail = []
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => {
      tail.push(line)
      if (tail.length > TAIL) tail.shift()
      tell?.(line.trim())
    })
  }
  await ended(child, () => `${program} ${args.join(' ')} failed:\n${tail.join('\n')}`)
}

/** Runs a program with its output shown; resolves with its exit code. Ctrl-C is for it to handle. */
export async function show(program, args, options = {}) {
  const child = spawn(program, args, { cwd: root, env, stdio: 'inherit', ...options })
  const pass = (signal) => child.kill(signal)
  const ignore = () => {}
  process.on('SIGINT', ignore).on('SIGTERM', pass)
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code) => resolve(code ?? 1))
    })
  } finally {
    process.off('SIGINT', ignore).off('SIGTERM', pass)
  }
}

/**
 * Runs a program with its output passed on; resolves with its exit code and the last lines of its output. For where
 * nobody watches: a log may be cut before its end.
 */
export async function pass(program, args, { keep, ...options }) {
  return follow(program, args, { ...options, keep, tell: (line, output) => output.write(`${line}\n`) })
}

/** Runs a program and keeps its output; resolves with its exit code and the lines. */
export async function collect(program, args, options) {
  return follow(program, args, { ...options, keep: Infinity, tell: () => {} })
}

async function follow(program, args, { keep, tell, ...options }) {
  const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'], ...options })
  const tail = []
  for (const [input, output] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ]) {
    createInterface({ input }).on('line', (line) => {
      tell(line, output)
      if (tail.push(line) > keep) tail.shift()
    })
  }
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? 1))
  })
  return { code, tail }
}

/** A program's output; undefined when it is not there or fails. */
export function output(program, args) {
  const { status, stdout } = spawnSync(program, args, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'ignore'] })
  return status === 0 ? stdout : undefined
}

/** Whether a program can be found. */
export function has(program) {
  return output('sh', ['-c', `command -v ${program}`]) !== undefined
}

async function ended(child, describe) {
  await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => (code === 0 ? resolve() : reject(new Advice(describe()))))
  })
}
