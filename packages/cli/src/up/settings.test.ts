import { expect, test } from 'vitest'
import { readSettings, SettingsError } from './settings.js'

test('without any variable there are defaults', () => {
  const settings = readSettings({}, 0)
  expect(settings).toMatchObject({
    listen: { host: '127.0.0.1', port: 8080 },
    dataDir: '/var/lib/wrenn',
    firstKey: undefined,
    accelerator: 'auto',
    proxyAuth: false,
    rateLimit: undefined,
    trustedProxies: [],
    origins: [],
    tls: undefined,
  })
})

test('who is believed, whose pages may ask, and how often are lists and numbers', () => {
  const env = {
    WRENN_TRUSTED_PROXIES: '10.0.0.2, fd00::/8',
    WRENN_CORS_ORIGINS: 'https://a.example,http://localhost:5173',
    WRENN_RATE_LIMIT: '600',
    WRENN_TLS_CERT: '/c',
    WRENN_TLS_KEY: '/k',
  }
  expect(readSettings(env, 0)).toMatchObject({
    trustedProxies: ['10.0.0.2', 'fd00::/8'],
    origins: ['https://a.example', 'http://localhost:5173'],
    rateLimit: 600,
    tls: { cert: '/c', key: '/k' },
  })
  expect(readSettings({ WRENN_RATE_LIMIT: '0' }, 0).rateLimit).toBeUndefined()
})

test.each([
  'https://a.example/',
  'https://a.example/path',
  'a.example',
  'null',
  'ftp://a.example',
  'https://A.example',
])('%s is no origin', (text) => {
  expect(() => readSettings({ WRENN_CORS_ORIGINS: text }, 0)).toThrow('WRENN_CORS_ORIGINS')
})

test('a certificate and its key belong together', () => {
  expect(() => readSettings({ WRENN_TLS_CERT: '/c' }, 0)).toThrow('WRENN_TLS_KEY: it belongs to WRENN_TLS_CERT')
  expect(() => readSettings({ WRENN_TLS_KEY: '/k' }, 0)).toThrow('WRENN_TLS_CERT: it belongs to WRENN_TLS_KEY')
})

test('an IPv6 address is written in brackets', () => {
  expect(readSettings({ WRENN_LISTEN: '[::1]:90' }, 0).listen).toEqual({ host: '::1', port: 90 })
})

test('templates are named with commas between them, minimal among them', () => {
  expect(readSettings({}, 0).templates).toBeUndefined()
  expect(readSettings({ WRENN_TEMPLATES: 'minimal, base-python' }, 0).templates).toEqual(['minimal', 'base-python'])
  expect(() => readSettings({ WRENN_TEMPLATES: 'base-python' }, 0)).toThrow('minimal')
})

test('a network is as the machine allows, and all of it can be set', () => {
  expect(readSettings({}, 0).network).toEqual({ mode: 'auto', pool: '10.213.0.0/16', ready: 8, allow: [] })
  const env = {
    WRENN_NETWORK: 'on',
    WRENN_NETWORK_POOL: '10.9.0.0/20',
    WRENN_NETWORK_READY: '2',
    WRENN_NETWORK_ALLOW: '10.1.0.0/16, 10.2.0.1',
    WRENN_NETWORK_DNS: '192.0.2.53:5353,::1,[::1]:53',
  }
  expect(readSettings(env, 0).network).toEqual({
    mode: 'on',
    pool: '10.9.0.0/20',
    ready: 2,
    allow: ['10.1.0.0/16', '10.2.0.1'],
    resolvers: ['192.0.2.53:5353', '::1', '[::1]:53'],
  })
})

test('every problem is named at once, settings that do not exist included', () => {
  const env = {
    WRENN_LISTEN: 'nonsense',
    WRENN_DATA_DIR: 'relative',
    WRENN_API_KEY: 'wrn_short',
    WRENN_LISTN: 'x',
    WRENN_ACCELERATOR: 'xen',
    WRENN_PROXY_AUTH: 'perhaps',
    WRENN_METRICS_TOKEN: 'short',
    WRENN_RATE_LIMIT: 'many',
    WRENN_TRUSTED_PROXIES: '10.0.0.0/8, example.com',
    WRENN_CORS_ORIGINS: '*',
    WRENN_TLS_CERT: 'relative.pem',
    WRENN_TLS_KEY: 'relative.key',
    WRENN_NETWORK: 'yes',
    WRENN_NETWORK_POOL: '10.0.0.0/30',
    WRENN_NETWORK_READY: 'many',
    WRENN_NETWORK_ALLOW: '10.0.0.0/8,nonsense',
    WRENN_NETWORK_DNS: 'a.resolver',
  }
  try {
    readSettings(env, 0)
    expect.unreachable()
  } catch (error) {
    expect(error).toBeInstanceOf(SettingsError)
    expect((error as SettingsError).problems.map((problem) => problem.split(':')[0]).sort()).toEqual(
      Object.keys(env).sort(),
    )
  }
})

test('the clients may have their own variables in the same environment, and an empty one counts as absent', () => {
  expect(readSettings({ WRENN_BASE_URL: 'http://elsewhere', WRENN_LISTEN: '' }, 0).listen.port).toBe(8080)
})
