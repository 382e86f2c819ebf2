import { expect, test } from 'vitest'
import { drawTree, lineage } from './lineage.js'
import { templateBody, versionBody } from './testing/bodies.js'

const base = (name: string) => templateBody({ name, type: 'base', created_at: '2031-01-01T00:00:00.000Z' })
const draw = (...args: Parameters<typeof lineage>) => drawTree(lineage(...args)).map(([line]) => line)

test('base templates are the roots, versions stand below what they were taken from', () => {
  const versions = [
    versionBody(2, { parent: 'base-python', current: true }),
    versionBody(1, { parent: 'base-python' }),
    versionBody(5, { name: 'tuned', parent: 'trained', parent_version: 1 }),
    versionBody(6, { name: 'tuned', parent: 'tuned@5' }),
    versionBody(7, { name: 'last', parent: 'tuned', parent_version: 5 }),
  ]
  expect(draw([base('minimal'), base('base-python')], versions)).toEqual([
    'base-python',
    '├── trained@1',
    '│   └── tuned@5',
    '│       ├── last@7',
    '│       └── tuned@6',
    '└── trained@2',
    'minimal',
  ])
})

test('parents that were deleted stand at the end, once for all their children', () => {
  const versions = [
    versionBody(1, { parent: 'gone', parent_version: 4 }),
    versionBody(2, { parent: 'gone', parent_version: 4 }),
    versionBody(3, { parent: 'trained' }),
    versionBody(4),
  ]
  const tree = lineage([], versions)
  expect(drawTree(tree).map(([line]) => line)).toEqual([
    'trained@4',
    'gone@4',
    '├── trained@1',
    '└── trained@2',
    'trained',
    '└── trained@3',
  ])
  expect(tree.map(({ kind }) => kind)).toEqual(['snapshot', 'deleted', 'deleted'])
})

test('a namesake that was made later is not the parent, so there are no circles', () => {
  const versions = [
    versionBody(1, { name: 'a', created_at: '2030-01-02T00:00:00.000Z', parent: 'b', parent_version: 1 }),
    versionBody(1, { name: 'b', created_at: '2030-01-03T00:00:00.000Z', parent: 'a', parent_version: 1 }),
  ]
  expect(draw([], versions)).toEqual(['b@1', '└── a@1', '    └── b@1'])
  expect(draw([], [])).toEqual([])
})
