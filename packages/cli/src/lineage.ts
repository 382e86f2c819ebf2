/** What was captured from what, as a tree. */
import type { TemplateBody, VersionBody } from 'wrenn'
import { reference } from './arguments.js'

/** A template of the platform, one version of a snapshot, or a parent that is no more. */
export interface Ancestor {
  name: string
  /** Absent for a base template, and for a parent of which it is not known. */
  version?: number
  kind: 'base' | 'snapshot' | 'deleted'
  info?: TemplateBody | VersionBody
  children: Ancestor[]
}

/** The trees of all templates: base templates first, then what has no parent that is still there. */
export function lineage(bases: TemplateBody[], versions: VersionBody[]): Ancestor[] {
  const roots = new Map<string, Ancestor>()
  for (const info of bases) roots.set(info.name, { name: info.name, kind: 'base', info, children: [] })
  const snapshots = new Map<string, Ancestor>()
  for (const info of versions) {
    const { name, version } = info
    snapshots.set(`${name}@${version}`, { name, version, kind: 'snapshot', info, children: [] })
  }
  for (const [key, node] of snapshots) {
    const parent = parentOf(node.info!, roots, snapshots)
    if (parent) parent.children.push(node)
    else roots.set(key, node)
  }
  return sorted([...roots.values()])
}

function parentOf(
  info: TemplateBody,
  roots: Map<string, Ancestor>,
  snapshots: Map<string, Ancestor>,
): Ancestor | undefined {
  if (info.parent === undefined) return undefined
  const { name, version = info.parent_version } = reference(info.parent)
  const base = roots.get(name)
  if (base?.kind === 'base') return base
  const found = version === undefined ? undefined : snapshots.get(`${name}@${version}`)
  // One of the same name that was made later is a namesake of the parent, which is gone.
  if (found && Date.parse(found.info!.created_at) < Date.parse(info.created_at)) return found
  const key = `deleted ${name}@${version}`
  if (!roots.has(key))
    roots.set(key, { name, ...(version === undefined ? {} : { version }), kind: 'deleted', children: [] })
  return roots.get(key)
}

const rank = { base: 0, snapshot: 1, deleted: 2 }

function sorted(nodes: Ancestor[]): Ancestor[] {
  for (const node of nodes) node.children = sorted(node.children)
  return nodes.sort(
    (one, other) =>
      rank[one.kind] - rank[other.kind] ||
      one.name.localeCompare(other.name) ||
      (one.version ?? 0) - (other.version ?? 0),
  )
}

/** Every node of a tree with its name behind the branches that lead to it, parents above children. */
export function drawTree(nodes: Ancestor[]): [string, Ancestor][] {
  return nodes.flatMap((node) => [[labelOf(node), node], ...drawBelow(node, '')])
}

function drawBelow({ children }: Ancestor, indent: string): [string, Ancestor][] {
  return children.flatMap((child, index) => {
    const isLast = index === children.length - 1
    const line = `${indent}${isLast ? '└── ' : '├── '}${labelOf(child)}`
    return [[line, child] as [string, Ancestor], ...drawBelow(child, `${indent}${isLast ? '    ' : '│   '}`)]
  })
}

function labelOf({ name, version }: Ancestor): string {
  return version === undefined ? name : `${name}@${version}`
}
