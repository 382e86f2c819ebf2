/** The certificate that a server shows. */
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import type { Tls } from '@wrenn/server'
import { SettingsError, type Settings } from './settings.js'

/**
 * Reads the certificate and its key, where there are any, and finds out whether they can be used.
 * @throws {SettingsError}
 */
export async function readTls({ tls }: Pick<Settings, 'tls'>): Promise<Tls | undefined> {
  if (!tls) return undefined
  const [cert, key] = [await read('WRENN_TLS_CERT', tls.cert), await read('WRENN_TLS_KEY', tls.key)]
  const certificate = parse('WRENN_TLS_CERT', 'a certificate in PEM', () => new X509Certificate(cert))
  const secret = parse('WRENN_TLS_KEY', 'a private key in PEM without a passphrase', () => createPrivateKey(key))
  if (!certificate.checkPrivateKey(secret))
    throw new SettingsError([`WRENN_TLS_KEY: ${tls.key} is not the key of the certificate in ${tls.cert}`])
  // The rest of the chain, and whether the library takes its algorithms.
  parse('WRENN_TLS_CERT', 'a certificate that can be used', () => createSecureContext({ cert, key }))
  return { cert, key }
}

async function read(name: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new SettingsError([`${name}: ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`])
  }
}

function parse<T>(name: string, what: string, work: () => T): T {
  try {
    return work()
  } catch {
    throw new SettingsError([`${name}: it is not ${what}`])
  }
}
