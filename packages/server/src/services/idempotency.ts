import { Problem } from '@wrenn/wire'
import type { Store, StoredAnswer } from '../store/store.js'
import { Cautious } from './cautious.js'
import { Alarm, toIso } from './clock.js'
import type { Context } from './context.js'
import { keyedDigest, seal, unseal } from './seal.js'

/** How long an answer is given again, in milliseconds. */
const KEPT_MS = 24 * 3_600_000
/** What answers are sealed as. */
const USE = 'idempotency answer'

/** Who asks for what, under which key of their own. */
export interface Asked {
  keyId: string
  /** The caller's API key: answers may hold secrets, and it alone opens them. */
  apiKey: string
  idempotencyKey: string
  /** What makes a request the same. */
  request: readonly (string | Uint8Array)[]
}

/** An answer as it is given again, to the byte. */
export interface GivenAnswer {
  status: number
  body: string
  requestId: string
  /** After how many seconds it may be asked for anew; such an answer is not kept. */
  retryAfterSec?: number | undefined
}

export interface Once {
  answer: GivenAnswer
  isReplay: boolean
}

/** What work is told that may have been begun before: by a server that died since, or that could not say how it ended. */
export interface Begun {
  /** What was begun then, as it was noted. */
  earlier: string | undefined
  /** Notes what is begun now: in the transaction that makes it, or before where it is made elsewhere. */
  note(store: Store, what: string): Promise<void>
  /** What was noted has come to nothing. */
  forget(store: Store): Promise<void>
}

type Work = (begun: Begun) => Promise<GivenAnswer>

interface UnderWay {
  digest: string
  once: Promise<Once>
}

/** Does under one key what is asked for once, and gives the same answer to whoever asks again. */
export class Idempotency {
  readonly #underWay = new Map<string, UnderWay>()
  readonly #alarm: Alarm
  readonly #time: Cautious
  #isWaiting = false
  #isOff = false

  constructor(private readonly context: Context) {
    this.#alarm = new Alarm(context.clock)
    this.#time = new Cautious(context.clock)
  }

  /**
   * Does `work`, unless it was done or is being done: then its answer is given. An answer of 5xx or 429 is not kept.
   * @throws Problem `conflict` when the key stands for another request; what `work` throws
   */
  async once(asked: Asked, work: Work): Promise<Once> {
    const digest = keyedDigest(asked.apiKey, asked.request)
    const id = `${asked.keyId} ${asked.idempotencyKey}`
    const given = await this.#given(asked, digest)
    if (given) return given
    const underWay = this.#underWay.get(id)
    if (underWay) {
      assertSame(underWay.digest, digest)
      return { answer: (await underWay.once).answer, isReplay: true }
    }
    const once = this.#first(asked, digest, work).finally(() => this.#underWay.delete(id))
    this.#underWay.set(id, { digest, once })
    return once
  }

  /** Forgets what is too old, now and whenever something becomes so. */
  begin(): void {
    void this.#tidy()
  }

  stop(): void {
    this.#isOff = true
    this.#alarm.stop()
  }

  async #first(asked: Asked, digest: string, work: Work): Promise<Once> {
    // Another may have ended between the first look and now; from now on none begins.
    const given = await this.#given(asked, digest)
    if (given) return given
    const row = await this.#row(asked)
    const earlier = row?.request === digest ? (row.begun ?? undefined) : undefined
    const answer = await work({
      earlier,
      note: (store, begun) => this.#note(store, { asked, digest, begun }),
      forget: (store) => this.#drop(store, asked),
    })
    if (answer.status < 500 && answer.status !== 429) await this.#keep(asked, digest, answer)
    return { answer, isReplay: false }
  }

  async #given(asked: Asked, digest: string): Promise<Once | undefined> {
    const row = await this.#row(asked)
    if (!row || row.sealed === '') return undefined
    assertSame(row.request, digest)
    const text = unseal(row.sealed, { secret: asked.apiKey, use: USE, bound: boundTo(row) })
    return { answer: JSON.parse(text) as GivenAnswer, isReplay: true }
  }

  async #row({ keyId, idempotencyKey }: Asked): Promise<StoredAnswer | undefined> {
    const row = await this.context.store.answers.find(keyId, idempotencyKey)
    return row && Date.parse(row.createdAt) + KEPT_MS > this.#time.now() ? row : undefined
  }

  async #note(
    store: Store,
    { asked: { keyId, idempotencyKey }, digest, begun }: { asked: Asked; digest: string; begun: string },
  ): Promise<void> {
    const createdAt = toIso(this.context.clock.now())
    await store.answers.put({ keyId, idempotencyKey, request: digest, sealed: '', begun, createdAt })
  }

  /** What fails because the server ends is not known to have come to nothing. */
  async #drop(store: Store, { keyId, idempotencyKey }: Asked): Promise<void> {
    if (this.#isOff) return
    await store.answers
      .remove(keyId, idempotencyKey)
      .catch((err: unknown) => this.context.log.error({ err }, 'what came to nothing could not be forgotten'))
  }

  async #keep(asked: Asked, request: string, answer: GivenAnswer): Promise<void> {
    const { store, clock, log } = this.context
    const { keyId, idempotencyKey, apiKey: secret } = asked
    const row = { keyId, idempotencyKey, request, createdAt: toIso(clock.now()) }
    const sealed = seal(JSON.stringify(answer), { secret, use: USE, bound: boundTo(row) })
    try {
      await store.answers.put({ ...row, sealed, begun: null })
    } catch (err) {
      // What was done stands, and so does its answer; only a repetition would not know of it.
      log.error({ err }, 'an answer could not be kept for its idempotency key')
    }
    if (!this.#isWaiting) this.#wait(KEPT_MS)
  }

  #wait(ms: number): void {
    this.#isWaiting = true
    this.#alarm.in(ms, () => void this.#tidy())
  }

  async #tidy(): Promise<void> {
    const { store, log } = this.context
    const now = this.#time.now()
    this.#isWaiting = false
    try {
      await store.answers.forget(toIso(now - KEPT_MS))
      const oldest = await store.answers.oldest()
      // One of a clock that was ahead is no reason to wait longer than for a new one.
      if (oldest !== undefined) this.#wait(Math.min(KEPT_MS, Date.parse(oldest) + KEPT_MS - now))
    } catch (err) {
      log.error({ err }, 'old answers could not be forgotten')
    }
  }
}

function boundTo({
  keyId,
  idempotencyKey,
  request,
}: Pick<StoredAnswer, 'keyId' | 'idempotencyKey' | 'request'>): string {
  return `${keyId}\n${idempotencyKey}\n${request}`
}

/** @throws Problem `conflict` */
function assertSame(known: string, digest: string): void {
  if (known === digest) return
  throw new Problem('conflict', 'This Idempotency-Key was used for another request.', {
    hint: 'Use a new key for each request; the same one only to repeat it unchanged.',
  })
}
