/** The recipes in the repository's images/ folder. */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { nameSchema, tagSchema } from '@wrenn/wire'
import { z } from 'zod'

const suite = z.string().regex(/^[a-z]+$/)
const packageName = z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/)

const guestPath = z.string().regex(/^\/(?!.*(^|\/)\.\.(\/|$))[^\0]+$/, 'must be an absolute path')
const command = z.tuple([z.string().min(1)], z.string())

export const serviceSchema = z.object({
  /** Started detached, under this tag. */
  start: command,
  tag: tagSchema,
  /** Run after that; it waits until the service can be used and exits with 0. */
  check: command,
  /** How long both may take. */
  timeout_sec: z.number().positive(),
})
/** What runs in a template's memory from the beginning. */
export type Service = z.infer<typeof serviceSchema>

const rootRecipeSchema = z.object({
  name: nameSchema,
  suite,
  packages: z.array(packageName).min(1),
  disk_size_mb: z.int().min(512),
  /** What is left out of what the packages bring: patterns of paths, in which `*` matches slashes too. */
  without: z.array(guestPath).optional(),
  /** Files over those of the packages: where they are, and as which file of images/ they are kept. */
  files: z.record(guestPath, z.string().regex(/^[a-z0-9-]+\/[A-Za-z0-9_.-]+$/)).optional(),
  service: serviceSchema.optional(),
  /** Below this the service does not fit. */
  min_memory_mb: z.int().positive().optional(),
  /** Whether it takes so long to build that a server does that while it serves already. */
  later: z.literal(true).optional(),
})
/** What a platform template is made of. `files` holds their content. */
export type RootRecipe = z.infer<typeof rootRecipeSchema>

const kernelRecipeSchema = z.object({
  suite,
  package: packageName,
  /** Modules that the agent loads, in this order. Those that are built into the kernel are skipped. */
  modules: z.array(z.string().regex(/^[a-z0-9_]+$/)),
})
export type KernelRecipe = z.infer<typeof kernelRecipeSchema>

const KERNEL = 'kernel.json'
const folder = fileURLToPath(new URL('../../../../images/', import.meta.url))

/** Reads all recipes. */
export async function readRecipes(from = folder): Promise<{ kernel: KernelRecipe; roots: RootRecipe[] }> {
  const read = async (name: string) => JSON.parse(await readFile(from + name, 'utf8')) as unknown
  const rootNames = (await readdir(from)).filter((name) => name.endsWith('.json') && name !== KERNEL)
  // `minimal` comes first: it is what the probe boots and what most people start with.
  rootNames.sort((a, b) => Number(b === 'minimal.json') - Number(a === 'minimal.json') || a.localeCompare(b))
  return {
    kernel: kernelRecipeSchema.parse(await read(KERNEL)),
    roots: await Promise.all(
      rootNames.map(async (name) => withContents(rootRecipeSchema.parse(await read(name)), from)),
    ),
  }
}

/** The recipe with the content of its files, so that a digest of it changes with them. */
async function withContents(recipe: RootRecipe, from: string): Promise<RootRecipe> {
  if (!recipe.files) return recipe
  const read = Object.entries(recipe.files).map(async ([path, name]) => [path, await readFile(from + name, 'utf8')])
  return { ...recipe, files: Object.fromEntries((await Promise.all(read)) as [string, string][]) }
}

/** The platform's templates, and which of them are built while a server serves already. */
export async function platformTemplates(): Promise<{ name: string; isLater: boolean }[]> {
  return (await readRecipes()).roots.map(({ name, later = false }) => ({ name, isLater: later }))
}

/** Twelve hex digits that change with anything that they are made from. */
export function digestOf(...parts: unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 12)
}
