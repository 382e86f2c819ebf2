import { settingNames, SettingsError } from '../../up/settings.js'
import type { Part } from '../part.js'
import { shown } from '../setting-names.js'

export const settings: Part = {
  name: 'settings',
  about: 'the settings in force; of those that may be secret only whether they are set',
  async collect({ env, envOf, subject, dataDir }) {
    const lines = settingNames.map((name) => {
      const value = env[name]
      if (!value) return `${name} is not set`
      return shown.includes(name) ? `${name} is ${value}` : `${name} is set`
    })
    const unknown = Object.keys(env).filter((name) => name.startsWith('WRENN_') && !settingNames.includes(name))
    const { settings: read } = subject
    const problems = read instanceof SettingsError ? read.problems : []
    const content = [
      `Those of the ${envOf === 'server' ? 'server that runs' : 'environment that this was run in'}:`,
      ...lines.map((line) => `  ${line}`),
      `Others that begin so: ${unknown.length}`,
      `The data directory: ${dataDir}`,
      ...problems.map((problem) => `Wrong in the environment that this was run in: ${problem}`),
    ]
    return { entries: [{ name: 'settings.txt', content: `${content.join('\n')}\n` }] }
  },
}
