import { json, type Part } from '../part.js'

export const database: Part = {
  name: 'database',
  about: 'whether it is whole, which form it has, and how much of what is in it; nothing that users wrote',
  async collect({ subject: { store }, showsNames }) {
    if (store.state !== 'sound') {
      const problems = store.state === 'damaged' ? store.problems : []
      const why = { 'in use': 'the server that runs has it', absent: 'there is none' } as Record<string, string>
      return {
        entries: [json('database.json', { state: store.state, problems })],
        leftOut: [`counts: ${why[store.state] ?? `it is ${store.state}`}`],
      }
    }
    const { counts, more } = store.facts
    const { names, lost: _, keysByScope, ...rest } = more
    // By other words: what is called like a secret is hidden.
    const facts = { state: store.state, integrity: 'ok', ...counts, scopes_of_keys: keysByScope, ...rest }
    return {
      entries: [json('database.json', { ...facts, ...(showsNames ? { names } : {}) })],
      leftOut: showsNames ? [] : [`the names of ${names.length} templates: --names gives them`],
    }
  },
}
