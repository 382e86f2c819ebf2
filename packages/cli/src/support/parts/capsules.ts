import { json, type Part } from '../part.js'
import { withoutQuotes } from '../redact.js'

export const capsules: Part = {
  name: 'capsules',
  about: 'those in error or missing, with the reason; what a reason quotes is left out',
  async collect({ subject: { store }, showsNames }) {
    if (store.state !== 'sound') return { entries: [], leftOut: ['all of it: the database cannot be asked'] }
    const { lost, names } = store.facts.more
    const told = lost.map(({ reason, ...one }) => {
      const text = withoutQuotes(reason ?? '')
      return { ...one, reason: showsNames ? text : names.reduce((rest, name) => rest.replaceAll(name, '…'), text) }
    })
    return { entries: [json('capsules.json', told)] }
  },
}
