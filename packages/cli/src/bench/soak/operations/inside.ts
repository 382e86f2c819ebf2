/** Operations inside of a capsule. */
import { randomBytes } from 'node:crypto'
import { anyFile, digestOf } from '../content.js'
import type { Operation } from '../run.js'
import { Wrong } from '../tally.js'

export const exec: Operation = {
  weight: 30,
  take({ model, tally, random }) {
    const capsule = model.takeCapsule(random, false)
    if (!capsule) return undefined
    return {
      capsule,
      work: () =>
        tally.timed('exec', async () => {
          const word = randomBytes(8).toString('hex')
          const { commands, id } = capsule.capsule
          const { stdout, exitCode } = await commands.run(`echo ${word}`)
          if (exitCode !== 0 || stdout !== `${word}\n`)
            throw new Wrong(`${id}: echo ${word} said ${JSON.stringify(stdout)} and ended with ${exitCode}`)
        }),
    }
  },
}

export const write: Operation = {
  weight: 24,
  take({ model, tally, random }) {
    const capsule = model.takeCapsule(random, false)
    if (!capsule) return undefined
    const { path, bytes, digest } = anyFile(random)
    const { files, id } = capsule.capsule
    return {
      capsule,
      path,
      work: async () => {
        await tally.timed('write', () => files.write(path, bytes))
        capsule.content = { ...capsule.content, [path]: digest }
        const read = await tally.timed('read', () => files.readBytes(path))
        if (digestOf(read) !== digest) throw new Wrong(`${id}: ${path} is not what was just written`)
      },
    }
  },
}

/** Where an upload goes whose client leaves: it may be completed at any time after that, so its content means nothing. */
const LEFT = '/dev/shm/soak/left'

/** A client that goes away in the middle of a command and of an upload; others are served as before. */
export const leave: Operation = {
  weight: 3,
  take({ model, tally, random }) {
    const capsule = model.takeCapsule(random, false)
    if (!capsule) return undefined
    const { path, bytes, digest } = anyFile(random)
    const { files, commands } = capsule.capsule
    const afterMs = random.below(200)
    return {
      capsule,
      path,
      work: async () => {
        const signal = AbortSignal.timeout(afterMs)
        await Promise.allSettled([commands.run('sleep 1', { signal }), files.write(LEFT, bytes, { signal })])
        await tally.timed('write after a hang-up', () => files.write(path, bytes))
        capsule.content = { ...capsule.content, [path]: digest }
      },
    }
  },
}
