import { createInterface } from 'node:readline'

interface Terminal {
  input: NodeJS.ReadableStream
  output: NodeJS.WritableStream
  signal: AbortSignal
}

/** Puts a question to the person at a terminal; anything but yes is no, the end of the input too. */
export async function ask(question: string, { input, output, signal }: Terminal): Promise<boolean> {
  signal.throwIfAborted()
  // Not `terminal`: that would take Ctrl-C for itself.
  const lines = createInterface({ input, terminal: false })
  try {
    output.write(`${question} [y/N] `)
    const answer = await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve).once('close', () => resolve(''))
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    })
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    lines.close()
  }
}
