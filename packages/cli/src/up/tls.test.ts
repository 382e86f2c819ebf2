import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { certificate, renewed } from '../../../server/src/testing/certificate.js'
import { readTls } from './tls.js'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wrenn-tls-'))
  const files = {
    ...{ cert: certificate.cert, key: certificate.key, other: renewed.key, chain: certificate.cert + renewed.cert },
    nonsense: 'nonsense',
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text)
})
afterAll(() => rm(dir, { recursive: true, force: true }))

const read = (cert: string, key: string) => readTls({ tls: { cert: join(dir, cert), key: join(dir, key) } })

test('a certificate and its key are read, with the rest of its chain', async () => {
  expect(await read('cert', 'key')).toEqual(certificate)
  expect(await read('chain', 'key')).toMatchObject({ key: certificate.key })
})

test('without the settings there is none', async () => {
  expect(await readTls({ tls: undefined })).toBeUndefined()
})

test.each([
  ['none', 'key', /WRENN_TLS_CERT: .*none cannot be read \(ENOENT\)/],
  ['cert', 'none', /WRENN_TLS_KEY: .*none cannot be read \(ENOENT\)/],
  ['nonsense', 'key', /WRENN_TLS_CERT: it is not a certificate in PEM/],
  ['cert', 'nonsense', /WRENN_TLS_KEY: it is not a private key in PEM without a passphrase/],
  ['cert', 'other', /WRENN_TLS_KEY: .* is not the key of the certificate/],
])('%s with %s is refused in words', async (cert, key, words) => {
  await expect(read(cert, key)).rejects.toThrow(words)
})
