/** The recipes in the repository's images/ folder. */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { nameSchema } from '@wrenn/wire'
import { z } from 'zod'

const suite = z.string().regex(/^[a-z]+$/)
const packageName = z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/)

const rootRecipeSchema = z.object({
  name: nameSchema,
  suite,
  packages: z.array(packageName).min(1),
  disk_size_mb: z.int().min(512),
})
/** What a platform template's file system is made of. */
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
export async function readRecipes(): Promise<{ kernel: KernelRecipe; roots: RootRecipe[] }> {
  const read = async (name: string) => JSON.parse(await readFile(folder + name, 'utf8')) as unknown
  const rootNames = (await readdir(folder)).filter((name) => name.endsWith('.json') && name !== KERNEL)
  // `minimal` comes first: it is what the probe boots and what most people start with.
  rootNames.sort((a, b) => Number(b === 'minimal.json') - Number(a === 'minimal.json') || a.localeCompare(b))
  return {
    kernel: kernelRecipeSchema.parse(await read(KERNEL)),
    roots: await Promise.all(rootNames.map(async (name) => rootRecipeSchema.parse(await read(name)))),
  }
}

/** Twelve hex digits that change with anything that they are made from. */
export function digestOf(...parts: unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 12)
}
