import { expect, test } from 'vitest'
import { WrennAuthenticationError, WrennConnectionError } from './index.js'
import { messagesOf } from './events.js'
import { failure, scripted } from './testing/scripted.js'

const api = scripted()
const message = (event: string, id?: string) =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify({ event, resource: { id: 'cl-é', type: 'capsule' } })}\n\n`
const seen = () => api.seen.map(({ headers }) => headers['last-event-id'])

test('messages are put together from their lines, whatever ends them and wherever they are cut', async () => {
  const text =
    ':hello\nretry: 5\n\nid:1\r\nevent: a\r\ndata: {"é":\r\ndata:1}\r\n\r\ndata: 2\n\nid: 3\n\ndata: unfinished\n'
  for (const size of [1, 2, 3, 7, 1000]) {
    const bytes = new TextEncoder().encode(text)
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.subarray(at, at + size))
        controller.close()
      },
    })
    const messages = []
    for await (const one of messagesOf(body)) messages.push(one)
    expect(messages).toEqual([{ id: '1', data: '{"é":\n1}' }, { data: '2' }])
  }
})

test('events go on from the last one after a lost connection, however it ended', async () => {
  api.replies = [
    { text: message('connected') + message('capsule.create', '5') + 'id: 6\ndata: {', then: 'cut' },
    { text: message('connected') },
    { text: message('connected') + message('capsule.pause', '7'), then: 'open' },
  ]
  const events = []
  for await (const { event, id, resource } of api.client.events({ lastEventId: '4' })) {
    events.push([event, id])
    expect(resource.id).toBe('cl-é')
    if (event === 'capsule.pause') break
  }
  expect(events).toEqual([
    ['connected', '4'],
    ['capsule.create', '5'],
    ['connected', '5'],
    ['connected', '5'],
    ['capsule.pause', '7'],
  ])
  expect(seen()).toEqual(['4', '5', '5'])
  expect(api.seen[0]!.headers.accept).toBe('text/event-stream')
})

test('without reconnecting, the end is the end and a lost connection an error', async () => {
  const all = async () => {
    const events = []
    for await (const { event } of api.client.events({ reconnect: false })) events.push(event)
    return events
  }
  api.replies = [{ text: message('connected') }]
  expect(await all()).toEqual(['connected'])
  api.replies = [{ text: message('connected'), then: 'cut' }]
  await expect(all()).rejects.toBeInstanceOf(WrennConnectionError)
})

test('a key that is refused is not tried again', async () => {
  api.replies = [{ text: message('connected'), then: 'cut' }, failure(401, 'unauthorized')]
  const all = async () => {
    for await (const _ of api.client.events());
  }
  await expect(all()).rejects.toBeInstanceOf(WrennAuthenticationError)
  expect(api.seen).toHaveLength(2)
})

test('aborting ends it with its reason', async () => {
  api.replies = [{ text: message('connected'), then: 'open' }]
  const aborted = new AbortController()
  const all = async () => {
    for await (const _ of api.client.events({ signal: aborted.signal })) aborted.abort(new Error('enough'))
  }
  await expect(all()).rejects.toThrow('enough')
})
