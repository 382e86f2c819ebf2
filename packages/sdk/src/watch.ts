import type { FileChange } from '@wrenn/wire'
import { parseLine, readLines } from './lines.js'
import { persist } from './persist.js'
import type { RequestOptions, Transport } from './transport.js'

interface Watch extends RequestOptions {
  url: string
  path: string
  recursive?: boolean
}

/** The changes in a directory, over as many connections as it takes; after each new one, what was missed is said. */
export async function* watchFiles(
  transport: Transport,
  { url, path, recursive = false, signal }: Watch,
): AsyncGenerator<FileChange, void, undefined> {
  const left = new AbortController()
  const either = signal ? AbortSignal.any([signal, left.signal]) : left.signal
  const ask = { method: 'POST', path: url, json: { path, recursive }, repeatable: true, signal: either } as const
  try {
    yield* persist<FileChange>(
      async function* (again, connected) {
        const response = await transport.send({ ...ask, headers: { accept: 'application/x-ndjson' } })
        connected()
        if (again) yield { type: 'overflow' }
        for await (const line of readLines(response.body!)) yield parseLine<FileChange>(line)
      },
      { signal },
    )
  } finally {
    left.abort()
  }
}
