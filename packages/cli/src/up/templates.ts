/** Which platform templates a server offers. */
import { platformTemplates } from '@wrenn/host'
import { SettingsError } from './settings.js'

export interface Chosen {
  /** Built before the server serves. */
  first: string[]
  /** Built while it serves. */
  later: string[]
}

/**
 * Those that are wanted, by when they are built. Default: all.
 * @throws {SettingsError} when there is no such template
 */
export async function chooseTemplates(wanted?: string[]): Promise<Chosen> {
  const known = await platformTemplates()
  const names = known.map(({ name }) => name)
  const unknown = (wanted ?? []).filter((name) => !names.includes(name))
  if (unknown.length > 0)
    throw new SettingsError(
      unknown.map((name) => `WRENN_TEMPLATES: there is no "${name}" (there are ${names.join(', ')})`),
    )
  const chosen = known.filter(({ name }) => wanted?.includes(name) ?? true)
  const named = (isLater: boolean) => chosen.filter((one) => one.isLater === isLater).map(({ name }) => name)
  return { first: named(false), later: named(true) }
}
