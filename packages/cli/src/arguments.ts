/** Words of the command line as values, or what is wrong with them. */
import { InvalidArgumentError, Option } from 'commander'
import { parseDuration } from './duration.js'

/** A whole number. */
export function whole(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}

/** A length of time, in seconds. */
export function duration(text: string): number {
  const seconds = parseDuration(text)
  if (seconds === undefined) throw new InvalidArgumentError('It must be a time like 30s, 5m, 2h, 30d, or seconds.')
  return seconds
}

/** `key=value`, added to those before. */
export function label(text: string, before: Record<string, string>): Record<string, string> {
  const cut = text.indexOf('=')
  if (cut < 1) throw new InvalidArgumentError('It must have the form key=value.')
  return { ...before, [text.slice(0, cut)]: text.slice(cut + 1) }
}

/** One more of an option that may be repeated, behind those before. */
export function another(text: string, before: string[] | false = []): string[] {
  return [...(before || []), text]
}

/** A template, or one version of it. */
export interface Reference {
  name: string
  version?: number
}

/** `name` or `name@3`. Whether it is a good name is the server's to say. */
export function reference(text: string): Reference {
  const [, name, version] = /^(.+)@([1-9]\d{0,8})$/.exec(text) ?? []
  return name === undefined ? { name: text } : { name, version: Number(version) }
}

/** The option of every command that makes something. */
export function idempotencyKey(): Option {
  return new Option('--idempotency-key <key>', 'names this wish: repeated with the same key, it makes nothing new')
}
