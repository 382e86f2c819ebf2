/** The images that this host offers: built from the recipes, kept in the data directory. */
import { createHash } from 'node:crypto'
import { link, mkdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { entries, publish, writeSynced } from '../fs/durable.js'
import { imageLayers, names, type Paths } from '../paths.js'
import { packInitramfs } from './initramfs.js'
import { kernelPart, rootPart, type PartsOptions } from './parts.js'
import { digestOf, readRecipes, serviceSchema, type KernelRecipe, type RootRecipe } from './recipe.js'

const FORMAT = 1

const imageSchema = z.object({
  format: z.literal(FORMAT),
  id: z.string(),
  name: z.string(),
  created_at: z.iso.datetime(),
  disk_size_mb: z.int(),
  size_bytes: z.int(),
  kernel: z.string(),
  service: serviceSchema.optional(),
  min_memory_mb: z.int().optional(),
})
/** A bootable root file system and kernel, in its directory. */
export type Image = z.infer<typeof imageSchema> & { dir: string }

export interface BuildImages extends PartsOptions {
  /** The agent's binary. */
  agent: string
  /** Which templates' images. Default: all but those that a server builds later. */
  templates?: string[] | undefined
}

/** Which images there should be, for these recipes and this agent. */
async function wanted({ agent, templates }: Pick<BuildImages, 'agent' | 'templates'>): Promise<{
  kernel: KernelRecipe
  images: { id: string; root: RootRecipe }[]
  agentBytes: Buffer
}> {
  const { kernel, roots } = await readRecipes()
  const agentBytes = await readFile(agent)
  const agentDigest = createHash('sha256').update(agentBytes).digest('hex')
  const isWanted = ({ name, later }: RootRecipe) => (templates ? templates.includes(name) : !later)
  const images = roots
    .filter(isWanted)
    .map((root) => ({ root, id: `${root.name}-${digestOf(FORMAT, root, kernel, agentDigest)}` }))
  return { kernel, images, agentBytes }
}

/** Builds the images that are missing and returns all that are wanted. */
export async function buildImages(options: BuildImages): Promise<Image[]> {
  const { kernel, images, agentBytes } = await wanted(options)
  await Promise.all(
    [options.paths.images, options.paths.parts, options.paths.staging].map((dir) => mkdir(dir, { recursive: true })),
  )
  const built: Image[] = []
  for (const { id, root } of images)
    built.push((await openImage(options.paths, id)) ?? (await build({ id, root, kernel, agentBytes }, options)))
  return built
}

/** Whether `buildImages` would have something to do. */
export async function imagesAreBuilt({
  paths,
  ...which
}: Pick<BuildImages, 'paths' | 'agent' | 'templates'>): Promise<boolean> {
  const { images } = await wanted(which)
  const present = await entries(paths.images)
  return images.every(({ id }) => present.includes(id))
}

interface Build {
  id: string
  root: RootRecipe
  kernel: KernelRecipe
  agentBytes: Uint8Array
}

async function build({ id, root, kernel, agentBytes }: Build, options: BuildImages): Promise<Image> {
  const { paths, onStep } = options
  onStep?.('kernel')
  const kernelFrom = await kernelPart(kernel, options)
  onStep?.(root.name)
  const disk = await rootPart(root, { ...options, onStep: (step) => onStep?.(`${root.name}: ${step}`) })
  const staged = join(paths.staging, id)
  await rm(staged, { recursive: true, force: true })
  await mkdir(staged)
  await link(join(kernelFrom.dir, names.kernel), join(staged, names.kernel))
  await link(disk, join(staged, imageLayers.root))
  await writeSynced(
    join(staged, names.initramfs),
    packInitramfs({ agent: agentBytes, modules: await readModules(kernelFrom.dir, kernel) }),
  )
  const sizes = { disk_size_mb: root.disk_size_mb, size_bytes: (await stat(disk)).blocks * 512 }
  const { name, service, min_memory_mb } = root
  await writeImage(staged, { id, name, kernel: kernelFrom.release, ...sizes, service, min_memory_mb })
  await publish(staged, paths.image(id))
  return (await openImage(paths, id))!
}

/** Completes an image's directory: with this file it is one. */
export async function writeImage(dir: string, facts: Omit<Image, 'format' | 'created_at' | 'dir'>): Promise<Image> {
  const image = { format: FORMAT, created_at: new Date().toISOString(), ...facts } as const
  await writeSynced(join(dir, names.image), JSON.stringify(image, null, 2))
  return { ...image, dir }
}

async function readModules(dir: string, { modules }: KernelRecipe): Promise<{ name: string; data: Buffer }[]> {
  const present = await entries(dir)
  const found = modules.filter((name) => present.includes(`${name}.ko`))
  return Promise.all(found.map(async (name) => ({ name, data: await readFile(join(dir, `${name}.ko`)) })))
}

/** Opens an image; undefined when it is not there. */
export async function openImage(paths: Paths, id: string): Promise<Image | undefined> {
  const dir = paths.image(id)
  const text = await readFile(join(dir, names.image), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : { ...imageSchema.parse(JSON.parse(text)), dir }
}
