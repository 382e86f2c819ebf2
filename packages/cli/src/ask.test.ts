import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { ask } from './ask.js'

async function answered(text: string | null): Promise<[boolean, string]> {
  const [input, output] = [new PassThrough(), new PassThrough()]
  const asked = ask('Sure?', { input, output, signal: new AbortController().signal })
  if (text === null) input.end()
  else input.write(text)
  return [await asked, String(output.read())]
}

test('only yes is yes', async () => {
  expect(await answered('y\n')).toEqual([true, 'Sure? [y/N] '])
  expect((await answered(' Yes \n'))[0]).toBe(true)
  for (const text of ['\n', 'n\n', 'yellow\n', null]) expect((await answered(text))[0]).toBe(false)
})

test('an interruption ends the wait', async () => {
  const interrupted = new AbortController()
  const asked = ask('Sure?', { input: new PassThrough(), output: new PassThrough(), signal: interrupted.signal })
  interrupted.abort(new Error('Interrupted.'))
  await expect(asked).rejects.toThrow('Interrupted.')
})
