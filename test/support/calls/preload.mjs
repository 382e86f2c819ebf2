/**
 * Preloaded into a server, and with that into each of its threads (`node --import`): before or after a call that changes
 * a file it asks a test (calls.ts) what becomes of it, where the test wants to be asked.
 */
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { aroundFileCalls } from '@wrenn/host/faults'

const path = process.env.FILE_CALLS
/** As they are before anybody stands around them. */
const [open, close] = [openSync, closeSync]
const answers = new Map()
let count = 0

const socket = connect(path)
await once(socket, 'connect')
// The test may have ended.
socket.on('error', () => {}).unref()
createInterface({ input: socket })
  .on('error', () => {})
  .on('line', (line) => {
    const { number, ...answer } = JSON.parse(line)
    answers.get(number)?.(answer)
  })

/** A thread that waits for work hears nothing: so the rules are read, at each call. */
function ruleFor(text) {
  const rules = JSON.parse(readFileSync(`${path}.rules`, 'utf8'))
  return rules.find((rule) => new RegExp(rule.call).test(text) && (rule.fails || isFirst(rule)))
}

/** Of all threads one has a rule that holds for one call. */
function isFirst({ number }) {
  try {
    close(open(`${path}.rule-${number}`, 'wx'))
    return true
  } catch {
    return false
  }
}

/** Asks, and throws where the call is to fail. */
function ask(rule, text, isSync) {
  const number = ++count
  socket.write(`${JSON.stringify({ rule: rule.number, number, text, isSync })}\n`)
  if (isSync) return obey(JSON.parse(readFileSync(`${path}.pipe`, 'utf8')))
  return new Promise((resolve) => answers.set(number, resolve)).then(obey)
}

function obey({ code }) {
  if (code) throw Object.assign(new Error(`${code}: as the test wants it`), { code })
}

await aroundFileCalls(({ name, paths, isSync }, work) => {
  const text = [name, ...paths].join(' ')
  const rule = ruleFor(text)
  if (!rule) return work()
  if (rule.fails) return obey({ code: rule.fails })
  if (isSync) {
    const result = rule.when === 'after' ? work() : undefined
    ask(rule, text, isSync)
    return rule.when === 'after' ? result : work()
  }
  if (rule.when !== 'after') return ask(rule, text, isSync).then(work)
  return Promise.resolve(work()).then((result) => ask(rule, text, isSync).then(() => result))
})
