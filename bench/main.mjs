/**
 * What the numbers in the README come from: how long the steps of the main job take on this machine.
 *
 *     WRENN_API_KEY=… node bench/main.mjs [rounds]
 *
 * It measures what a client sees, over HTTP, against a server that runs; medians and 95th percentiles.
 */
import { performance } from 'node:perf_hooks'
import { Wrenn } from 'wrenn'

const rounds = Number(process.argv[2] ?? 20)
const client = new Wrenn()
const times = new Map()

async function time(what, work) {
  const began = performance.now()
  const result = await work()
  times.set(what, [...(times.get(what) ?? []), performance.now() - began])
  return result
}

const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
const name = `bench-${process.pid}`

for (let round = 0; round < rounds; round++) {
  const source = await time('create from minimal', () => client.capsules.create({ template: 'minimal' }))
  await time('first command', () => source.commands.run({ cmd: 'true' }))
  await time('later command', () => source.commands.run({ cmd: 'true' }))
  await source.commands.run('head -c 20000000 /dev/urandom > /dev/shm/blob')
  await time('snapshot, source kept (20 MB in memory)', () =>
    source.createSnapshot({ name, overwrite: true, keepSource: true }),
  )
  const clone = await time('create from that snapshot', () => client.capsules.create({ template: name }))
  await clone.destroy()
  await time('snapshot, source destroyed', () => source.createSnapshot({ name, overwrite: true }))
}
const ten = () => Promise.all(Array.from({ length: 10 }, () => client.capsules.create({ template: name })))
for (let round = 0; round < Math.ceil(rounds / 5); round++) {
  const capsules = await time('ten at once from one snapshot', ten)
  await Promise.all(capsules.map((capsule) => capsule.destroy()))
}
await client.templates.delete(name)

console.log(`${'step'.padEnd(42)} median      p95   (${rounds} rounds)`)
for (const [what, list] of times) {
  const sorted = list.toSorted((a, b) => a - b)
  const [median, p95] = [0.5, 0.95].map((share) => `${at(sorted, share).toFixed(0)} ms`.padStart(8))
  console.log(`${what.padEnd(42)}${median} ${p95}`)
}
