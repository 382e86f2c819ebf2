import type { ClientRequest, InformationEvent } from 'node:http'
import type { Exchange } from './exchange.js'

/** The most interim answers to one request: they are small, and nobody may be slow to read them. */
const MOST_INTERIM = 32

/** Passes on the answers that come before the answer: go on, still working, links to fetch meanwhile. */
export function passInformation({ request, answer }: Exchange, asked: ClientRequest): void {
  let passed = 0
  asked.on('information', ({ statusCode, headers: { link } }: InformationEvent) => {
    if (++passed > MOST_INTERIM) return void asked.destroy(new Error('too many interim answers'))
    if (answer.headersSent || request.httpVersion === '1.0') return
    if (statusCode === 100 && request.headers.expect !== undefined) answer.writeContinue()
    if (statusCode === 102) answer.writeProcessing()
    if (statusCode !== 103 || link === undefined) return
    try {
      answer.writeEarlyHints({ link })
    } catch {
      // No link that can be passed on. It was a hint.
    }
  })
}
