/** What may be answered to bytes that make no sense. */
import { errorSchema } from '@wrenn/wire'
import type { Said } from './socket.js'

/** Those 5xx that HTTP itself asks for. */
const OF_HTTP = [501, 505]
/** What a capsule's port answers for itself: there is a program behind it. */
const OF_PORTS = /^(Nothing listens|The program|The capsule)/

interface Answer {
  status: number
  headers: Map<string, string>
  body: string
}

/** The name of a port as a host. */
const OF_A_PORT = /\d+-cl-[0-9a-z]{25}/i

const START = /HTTP\/1\.1 (?=\d{3} )/
const WHOLE = /^(\d{3}) [^\r\n]*\r\n((?:[^\r\n]*\r\n)*)\r\n/

/** Cuts what a connection has said into its answers. */
export function answersIn(text: string): Answer[] {
  const [before, ...parts] = text.split(START)
  if (before !== '') throw new Error(`no answer of HTTP: ${JSON.stringify(before!.slice(0, 200))}`)
  return parts.flatMap((part) => {
    const [head, status, lines] = WHOLE.exec(part) ?? []
    // Cut in the middle of a head, as a reset does.
    if (head === undefined) return []
    const headers = lines!.split('\r\n').map((line): [string, string] => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    })
    return [{ status: Number(status), headers: new Map(headers), body: part.slice(head.length) }]
  })
}

/** What is wrong with an answer, if something is. */
function wrongWith({ status, headers, body }: Answer, isForPort: boolean): string | undefined {
  if (status < 400 || (isForPort && headers.has('x-guest'))) return undefined
  if (status >= 500 && !OF_HTTP.includes(status) && !isOfPort(status, body)) return `${status}: ${body.slice(0, 300)}`
  if (!headers.get('content-type')?.startsWith('application/json'))
    return isForPort && isPlain(headers) ? undefined : `${status} without JSON`
  // The answer to HEAD.
  if (body === '') return undefined
  const length = Number(headers.get('content-length') ?? body.length)
  // Cut in the middle.
  if (body.length < length) return undefined
  const { success, data } = errorSchema
    .strict()
    .safeParse(JSON.parse(Buffer.from(body.slice(0, length), 'latin1').toString()))
  if (!success) return `${status} with another body than errors have: ${body.slice(0, 300)}`
  return data.error.request_id === headers.get('x-request-id') ? undefined : `${status} without its request's id`
}

/** Errors of the proxy of ports are plain text. */
const isPlain = (headers: Answer['headers']) => headers.get('content-type')?.startsWith('text/plain')
const isOfPort = (status: number, body: string) =>
  status === 502 && (OF_PORTS.test(body) || /"message":"Nothing listens on port/.test(body))

/**
 * What is wrong with what a server has said, if something is.
 * @param asked all that was sent: only where it names a port may a guest or the proxy answer
 */
export function wrongIn({ text, isClosed }: Said, asked: string): string | undefined {
  const all = answersIn(text)
  // Behind an upgrade it is the guest's program that speaks.
  const upgrade = all.findIndex(({ status }) => status === 101)
  const answers = upgrade < 0 ? all : all.slice(0, upgrade + 1)
  if (!isClosed && answers.length === 0) return 'it neither answers nor closes'
  const isForPort = OF_A_PORT.test(asked)
  return answers.map((answer) => wrongWith(answer, isForPort)).find((wrong) => wrong !== undefined)
}
