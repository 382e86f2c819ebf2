/** The house's rules: who may import whom, and that there are no circles. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../packages/', import.meta.url))
const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((path) => /^[a-z]+\/src\/.*\.ts$/.test(path))
  // What only tests use is no part of the house.
  .filter((path) => !path.endsWith('.test.ts') && !path.includes('/testing/'))

interface Import {
  from: string
  /** A path below packages/ for a file of ours, else the name of a package. */
  to: string
  isTypeOnly: boolean
}

const imports: Import[] = files.flatMap((from) => {
  const text = readFileSync(join(root, from), 'utf8')
  const found = text.matchAll(
    /(?:^|\n)(import|export)( type)?[^'"\n]*?(?:\{[^}]*\}[^'"\n]*)?from '([^']+)'|import\('([^']+)'\)/g,
  )
  return [...found].map(([, , type, stated, dynamic]) => {
    const name = (stated ?? dynamic)!
    const to = name.startsWith('.') ? relative(root, join(root, dirname(from), name)).replace(/\.js$/, '.ts') : name
    return { from, to, isTypeOnly: type !== undefined }
  })
})

const isOurs = (name: string) => name === 'wrenn' || name.startsWith('@wrenn/')

test('packages import only those below them', () => {
  const allowed: Record<string, string[]> = {
    wire: [],
    sdk: ['@wrenn/wire'],
    server: ['@wrenn/wire'],
    host: ['@wrenn/wire'],
    cli: ['wrenn', '@wrenn/server', '@wrenn/host', '@wrenn/host/bench', '@wrenn/host/doctor', '@wrenn/wire'],
  }
  const wrong = imports.filter(({ from, to }) => isOurs(to) && !allowed[from.split('/')[0]!]!.includes(to))
  expect(wrong).toEqual([])
})

test('the wire needs nothing but zod, and the SDK nothing at all', () => {
  const foreign = (name: string) =>
    imports.filter(
      ({ from, to, isTypeOnly }) => from.startsWith(`${name}/`) && !to.startsWith(`${name}/`) && !isTypeOnly,
    )
  expect(foreign('wire').filter(({ to }) => to !== 'zod')).toEqual([])
  expect(foreign('sdk')).toEqual([])
})

test('inside the server it goes from http over services to store and fleet', () => {
  const layers: Record<string, string[]> = {
    http: ['http', 'proxy', 'services'],
    proxy: ['proxy', 'services'],
    services: ['services', 'store', 'fleet'],
    store: ['store'],
    fleet: ['fleet'],
  }
  const wrong = imports.filter(({ from, to }) => {
    const [, layer] = /^server\/src\/(\w+)\//.exec(from) ?? []
    const [, target] = /^server\/src\/(\w+)\//.exec(to) ?? []
    return layer && target && !layers[layer]!.includes(target)
  })
  expect(wrong).toEqual([])
})

test('only the registry knows the drivers, and only one folder starts processes', () => {
  const drivers = imports.filter(({ from, to }) => {
    const [driver] = /^host\/src\/vmm\/(qemu|fake)\//.exec(to) ?? []
    return driver !== undefined && !from.startsWith(driver)
  })
  // The benchmark lets QEMU save and restore a guest by its own means, which no driver is there to do.
  expect([...new Set(drivers.map(({ from }) => from))].sort()).toEqual([
    'host/src/bench/full-save.ts',
    'host/src/vmm/registry.ts',
  ])
  const starters = imports.filter(({ to }) => to === 'node:child_process').map(({ from }) => from)
  // The kernel is unpacked in a worker, where waiting for a tool is all that happens; the soak has a server to kill.
  expect([...new Set(starters)].sort()).toEqual([
    'cli/src/bench/soak/subject.ts',
    'host/src/images/kernel.ts',
    'host/src/process/launch.ts',
    'host/src/process/run.ts',
  ])
})

test('the jail knows nothing of what is in it, and only drivers put something there', () => {
  const layerOf = (path: string) => /^host\/src\/(\w+)\//.exec(path)?.[1]
  const used = imports.filter(({ from, to }) => layerOf(from) === 'jail' && layerOf(to))
  expect(used.filter(({ to }) => !['jail', 'process'].includes(layerOf(to)!))).toEqual([])
  const users = imports.filter(({ from, to }) => layerOf(to) === 'jail' && layerOf(from) !== 'jail')
  expect(users.length).toBeGreaterThan(0)
  const drivers = /^host\/src\/(vmm\/(qemu\/|registry\.ts$)|index\.ts$)/
  expect(users.filter(({ from }) => !drivers.test(from))).toEqual([])
})

test('there are no circles', () => {
  const next = new Map(
    files.map((file) => [
      file,
      imports.filter(({ from, isTypeOnly }) => from === file && !isTypeOnly).map(({ to }) => to),
    ]),
  )
  const circles: string[] = []
  const done = new Set<string>()
  const walk = (file: string, path: string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '))
    if (done.has(file) || path.includes(file)) return
    for (const to of next.get(file) ?? []) walk(to, [...path, file])
    done.add(file)
  }
  for (const file of files) walk(file, [])
  expect(circles).toEqual([])
})

test('the imports were found at all', () => {
  expect(imports.length).toBeGreaterThan(300)
  expect(files.length).toBeGreaterThan(100)
})
