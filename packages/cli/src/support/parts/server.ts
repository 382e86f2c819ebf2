import { request as plainRequest } from 'node:http'
import { request as secureRequest } from 'node:https'
import { reasonOf } from '@wrenn/host/doctor'
import type { Case, Entry, Part } from '../part.js'

const PATIENCE_MS = 3_000
const MOST_BYTES = 1024 * 1024
/** What metrics of Wrenn look like. Their labels name neither teams nor capsules. */
const metric = /^(?:# (?:HELP|TYPE) )?(?:wrenn|process|nodejs)_/
const health = /^[\w\s{}[\]":,.+-]{0,4000}$/

export const server: Part = {
  name: 'server',
  about: 'what /health and /metrics of a running server say',
  async collect(about) {
    const leftOut: string[] = []
    const asked = async (name: string, path: string, choose: (text: string) => string): Promise<Entry[]> => {
      try {
        return [{ name, content: choose(await get(path, about)) }]
      } catch (error) {
        leftOut.push(`${path}: ${reasonOf(error)}`)
        return []
      }
    }
    const each = await Promise.all([
      asked('health.json', '/health', (text) => (health.test(text) ? text : '(it has another form)')),
      asked('metrics.txt', '/metrics', (text) =>
        text
          .split('\n')
          .filter((line) => metric.test(line))
          .join('\n'),
      ),
    ])
    return { entries: each.flat(), leftOut }
  },
}

/** The answer's text. @throws when there is none, or another than 200 */
async function get(path: string, { url, env, signal }: Case): Promise<string> {
  if (url === undefined) throw new Error('where it serves is not known; --url names it')
  const at = new URL(path, url)
  const token = env['WRENN_METRICS_TOKEN']
  const options = {
    agent: false,
    signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]),
    // It is this machine's own, whose certificate is for a name.
    rejectUnauthorized: false,
    headers: token && path === '/metrics' ? { authorization: `Bearer ${token}` } : {},
  }
  return new Promise((resolve, reject) => {
    const asking = at.protocol === 'https:' ? secureRequest(at, options) : plainRequest(at, options)
    asking.once('error', reject).once('response', (response) => {
      let text = ''
      if (response.statusCode !== 200) return void asking.destroy(new Error(`it answers ${response.statusCode}`))
      response.setEncoding('utf8').on('error', reject)
      response.on('data', (part: string) => {
        text += part
        if (text.length > MOST_BYTES) asking.destroy(new Error('the answer is too long'))
      })
      response.once('end', () => resolve(text))
    })
    asking.end()
  })
}
