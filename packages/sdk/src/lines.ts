/** The lines of a UTF-8 byte stream. Leaving the loop cancels the stream. */
export async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = stream.getReader()
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      rest += decoder.decode(value, { stream: !done })
      const lines = rest.split('\n')
      rest = lines.pop()!
      yield* lines
      if (done) break
    }
    if (rest) yield rest
  } finally {
    await reader.cancel().catch(() => {})
  }
}
