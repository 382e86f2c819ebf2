/** Conversations that no client of ours would have, as fast-check makes them. */
import fc from 'fast-check'
import { bodied } from './bodies.js'
import { heads, requestOf } from './heads.js'
import { upgrades } from './upgrades.js'
import type { Talk } from './socket.js'

const request = fc.oneof(heads, bodied, upgrades)

/** One or several requests, cut somewhere, sent in pieces. */
export const talks: fc.Arbitrary<Talk> = fc
  .record({
    requests: fc.oneof(
      { weight: 5, arbitrary: fc.array(request, { minLength: 1, maxLength: 1 }) },
      { weight: 1, arbitrary: fc.array(request, { minLength: 2, maxLength: 12 }) },
      { weight: 1, arbitrary: fc.array(fc.constant(requestOf({})), { minLength: 2, maxLength: 40 }) },
    ),
    /** Where it breaks off, in thousandths. */
    cut: fc.oneof({ weight: 4, arbitrary: fc.constant(1000) }, { weight: 1, arbitrary: fc.nat(1000) }),
    /** In how many pieces it comes. */
    pieces: fc.oneof(
      { weight: 4, arbitrary: fc.constant(1) },
      { weight: 1, arbitrary: fc.integer({ min: 2, max: 40 }) },
    ),
    then: fc.oneof(
      { weight: 12, arbitrary: fc.constant('end' as const) },
      { weight: 1, arbitrary: fc.constant('wait' as const) },
      { weight: 2, arbitrary: fc.constant('reset' as const) },
    ),
  })
  .map(({ requests, cut, pieces, then }) => {
    const whole = requests.join('')
    const text = whole.slice(0, Math.ceil((whole.length * cut) / 1000))
    const size = Math.max(1, Math.ceil(text.length / pieces))
    return {
      pieces: Array.from({ length: Math.ceil(text.length / size) }, (_, i) => text.slice(i * size, (i + 1) * size)),
      then,
    }
  })
