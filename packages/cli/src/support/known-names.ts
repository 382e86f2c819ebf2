/** The names that Wrenn gives to files and directories; whatever else is there may say something by its name. */
const digits = '[0-9a-f]{8,64}'
const image = `(?:minimal|base-python|code-runner-beta|kernel|root|initramfs)-${digits}`
const size = String.raw`\d+x\d+-(?:kvm|tcg|fake)-${digits}`
const forms = [
  'images|parts|snapshots|capsules|staging|ready|run|kernel|disk|root',
  String.raw`wrenn\.db(?:-wal|-shm|-journal)?`,
  String.raw`secret\.key(?:\.new)?|api-key|demonstrated|vmm\.log|vmlinux|initramfs`,
  String.raw`(?:manifest|image|capsule|format|accelerator)\.json(?:\.next)?`,
  String.raw`devices\.(?:state|saved)`,
  String.raw`memory(?:-[0-9a-f]{12})?\.(?:base|difference)`,
  String.raw`disk-(?:\d+|[0-9a-f]{12})\.qcow2(?:\.log)?`,
  String.raw`(?:qmp|control|data)\.sock`,
  String.raw`(?:cl|snap)-[0-9a-z]{25}(?:\.[0-9a-f-]{1,40})?`,
  image,
  size,
  `${image}-${size}`,
  String.raw`\d{13}-[0-9a-z]{5,13}`,
]
const known = new RegExp(`^(?:${forms.join('|')})$`)

export const isKnown = (name: string) => known.test(name)

/** A name, where Wrenn has given it. */
export const nameOf = (name: string) => (isKnown(name) ? name : `(another name, ${name.length} characters)`)

/** A path, with those of its names that Wrenn has given. */
export const pathOf = (path: string) => path.split('/').map(nameOf).join('/')
