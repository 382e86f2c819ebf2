/** What is secret is compared in a time that tells nothing. */
import type * as crypto from 'node:crypto'
import { timingSafeEqual } from 'node:crypto'
import { beforeEach, expect, test, vi } from 'vitest'
import { admit } from '../proxy/access.js'
import { Peers } from '../proxy/peers.js'
import { serve } from '../testing/serve.js'
import { isSameSecret } from './secrets.js'

vi.mock('node:crypto', async (original) => {
  const all = await original<typeof crypto>()
  return { ...all, timingSafeEqual: vi.fn(all.timingSafeEqual) }
})

const compared = vi.mocked(timingSafeEqual)
beforeEach(() => void compared.mockClear())

test.each(['', 'x', 'the secret ', 'THE SECRET', 'the secret'])(
  '"%s" is compared as a whole, whatever its length',
  (given) => {
    expect(isSameSecret(given, 'the secret')).toBe(given === 'the secret')
    expect(compared).toHaveBeenCalledOnce()
    const [one, other] = compared.mock.calls[0]!
    expect([one.byteLength, other.byteLength]).toEqual([32, 32])
  },
)

test('so are API keys, the token of the metrics and those of ports', async () => {
  const on = await serve(undefined, { metricsToken: 'a token of the metrics' })
  try {
    compared.mockClear()
    await fetch(`${on.url}/v1/capsules`, { headers: { 'x-api-key': on.key } })
    expect(compared).toHaveBeenCalledTimes(1)
    await fetch(`${on.url}/metrics`, { headers: { authorization: 'Bearer wrong' } })
    expect(compared).toHaveBeenCalledTimes(2)
    const request = { headers: { 'x-wrenn-token': 'right' }, method: 'GET', socket: {} } as never
    const guard = { keys: undefined as never, peers: new Peers(), teamId: 'team-1', proxyToken: 'right' }
    await admit(request, '/?wrenn_token=wrong', guard)
    expect(compared).toHaveBeenCalledTimes(4)
  } finally {
    await on.end()
  }
})
