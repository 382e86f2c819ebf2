/** What a person can do now that the server runs. */
import { join } from 'node:path'
import pc from 'picocolors'
import type { HostFacts } from '@wrenn/wire'
import type { Settings } from './settings.js'

export interface NextSteps {
  url: string
  settings: Settings
  facts: HostFacts
  /** The key that was made just now. */
  newKey: string | undefined
}

export function nextSteps({ url, settings, facts, newKey }: NextSteps): string {
  const file = join(settings.dataDir, 'api-key')
  const key = settings.firstKey === undefined ? `$(cat ${file})` : '$WRENN_API_KEY'
  const where = settings.firstKey === undefined ? `in ${file}` : 'the one in WRENN_API_KEY'
  const isSlow = facts.accelerator === 'tcg'
  return [
    '',
    `${pc.green('Wrenn serves at')} ${pc.bold(url)}  ${pc.dim(`API reference: ${url}/docs`)}`,
    `Capsules run on ${facts.vmm} ${facts.vmmVersion} under ${facts.accelerator.toUpperCase()}: ${facts.acceleratorReason}.`,
    ...(isSlow
      ? [pc.dim('TCG is software emulation: everything works, programs run several times slower than under KVM.')]
      : []),
    facts.network.isThere
      ? `Capsules have a network: ${facts.network.reason}.`
      : pc.yellow(`Capsules have no network: ${facts.network.reason}.`),
    `Data: ${settings.dataDir}. API key: ${where}.`,
    ...(newKey ? [`${pc.yellow('Your API key, shown this once:')} ${pc.bold(newKey)}`] : []),
    '',
    'Start a capsule with curl:',
    `  curl -X POST ${url}/v1/capsules -H "X-API-Key: ${key}" -d '{"template":"base-python"}'`,
    'or with the TypeScript SDK, from the repository:',
    `  WRENN_BASE_URL=${url}/api WRENN_API_KEY="${key}" node --input-type=module -e '${SDK_LINE}'`,
    '',
    pc.dim('Ctrl-C ends the server; capsules go on, and the next start takes them up again.'),
    '',
  ].join('\n')
}

const SDK_LINE =
  'import { Capsule } from "wrenn"; const c = await Capsule.create({ template: "base-python" }); console.log((await c.commands.run("python3 -V")).stdout); await c.destroy()'
