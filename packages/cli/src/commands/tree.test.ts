import { expect, test } from 'vitest'
import { templateBody, versionBody } from '../testing/bodies.js'
import { scripted } from '../testing/scripted.js'

const api = scripted()

test('the tree shows parents above children, versions, and parents that are gone', async () => {
  const list = [
    templateBody({ version: 2 }),
    templateBody({ name: 'vanished' }),
    templateBody({ name: 'minimal', type: 'base', vcpus: null, memory_mb: null }),
  ]
  const versions = [
    versionBody(2, { current: true, parent: 'trained', parent_version: 1 }),
    versionBody(1, { parent: 'minimal' }),
    versionBody(3, { parent: 'lost', parent_version: 8 }),
    versionBody(4, { parent: 'lost' }),
  ]
  api.script = {
    'GET /v1/snapshots': { json: list },
    'GET /v1/snapshots/trained/versions': { json: versions },
  }
  const { code, out } = await api.wrenn(['snapshot', 'tree'])
  // Ages depend on the day.
  const lines = out.split('\n').map((line) => line.replace(/ {2,}\d+ \w+(?= {2}|$)/, '').replace(/ {2,}/g, '  '))
  expect(code).toBe(0)
  expect(lines).toEqual([
    'TEMPLATE  SIZE  AGE  NOTE',
    'minimal  2.0 MiB  base',
    '└── trained@1  2.0 MiB',
    '  └── trained@2  2.0 MiB  current',
    'lost  deleted; its version is not known',
    '└── trained@4  2.0 MiB',
    'lost@8  deleted',
    '└── trained@3  2.0 MiB',
    '',
  ])
  const json = JSON.parse((await api.wrenn(['snapshot', 'tree', '--json'])).out) as { name: string; kind: string }[]
  expect(json.map(({ name, kind }) => [name, kind])).toEqual([
    ['minimal', 'base'],
    ['lost', 'deleted'],
    ['lost', 'deleted'],
  ])
})
