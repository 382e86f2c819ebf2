/** The environment variables of a new capsule, on the command line. */
import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { CommanderError, type Command } from 'commander'
import { another } from './arguments.js'

export interface EnvOptions {
  env?: string[]
  envFile?: string[]
}

/** Adds the options to a command that makes capsules. */
export function addEnvOptions(command: Command): Command {
  return command
    .option(
      '-e, --env <name[=value]>',
      'an environment variable of all its programs; without a value, the one set here. May be repeated',
      another,
    )
    .option('--env-file <file>', 'a file of such variables, as NAME=value lines; --env comes before it', another)
}

/**
 * The variables that the options name; absent where they name none.
 * @param here where variables without a value are taken from, so that secrets need not stand among a program's words
 */
export function envsOf({ env = [], envFile = [] }: EnvOptions, here: NodeJS.ProcessEnv) {
  const given = [...envFile.map(fromFile), ...env.map((text) => variable(text, here))]
  return given.length > 0 ? { envs: Object.assign({}, ...given) as Record<string, string> } : {}
}

function variable(text: string, here: NodeJS.ProcessEnv): Record<string, string> {
  const cut = text.indexOf('=')
  const [name, value] = cut < 0 ? [text, here[text]] : [text.slice(0, cut), text.slice(cut + 1)]
  if (name === '') throw wrong('--env: a variable must have a name.')
  if (value === undefined) throw wrong(`--env: ${name} is not set here. Set it, or write ${name}=value.`)
  return { [name]: value }
}

function fromFile(file: string): Record<string, string> {
  const envs = parseEnv(readFileSync(file, 'utf8')) as Record<string, string>
  // Of a line without "=" the parser makes a part of the next one's name. What it says may be secret.
  if (Object.keys(envs).some((name) => /\s/.test(name))) throw wrong(`${file}: every line must be NAME=value.`)
  return envs
}

function wrong(message: string): CommanderError {
  return new CommanderError(2, 'wrenn.env', message)
}
