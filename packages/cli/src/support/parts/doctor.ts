import { examine, summarise } from '../../doctor/examine.js'
import { show } from '../../doctor/show.js'
import type { Finding } from '../../doctor/shape.js'
import { pathOf } from '../known-names.js'
import { json, type Part } from '../part.js'

/** Trying an accelerator boots a guest. */
const PATIENCE_MS = 120_000

export const doctor: Part = {
  name: 'doctor',
  about: 'what `wrenn doctor --quick` says, as JSON and for people',
  patienceMs: PATIENCE_MS,
  async collect({ subject, dataDir, version, signal }) {
    const findings = (await examine({ ...subject, signal })).map(withoutForeignNames)
    const report = {
      ...{ version, data_dir: dataDir, serving: subject.store.state === 'in use' },
      ...{ summary: summarise(findings), findings, fixed: [] },
    }
    return {
      entries: [json('doctor.json', report), { name: 'doctor.txt', content: `${show(report, false)}\n` }],
      leftOut: ['the comparison of every template with its digests: wrenn doctor makes it'],
    }
  },
}

/** The checks that name what is in the data directory. */
const naming = ['W044', 'W045']

/** What is in the data directory may say something by its name; and so may an error that quotes it. */
function withoutForeignNames(finding: Finding): Finding {
  const { number, text, items } = finding
  const told = { ...finding, text: text.replace(/'[^']*'/g, '…') }
  if (!naming.includes(number) || !items) return told
  return { ...told, items: items.map((item) => pathOf(item.split(':')[0]!)) }
}
