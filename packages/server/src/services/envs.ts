import { Problem, type ExecSpec, type Guest } from '@wrenn/wire'
import type { Capsule } from '../store/store.js'
import { seal, unseal } from './seal.js'

export type Envs = Record<string, string>

/** What capsules' variables are sealed as. */
const USE = 'capsule environment'

/**
 * The environment variables of capsules: kept sealed, opened only for as long as a program is started with them, and never
 * shown.
 */
export class CapsuleEnvs {
  readonly #secret: Uint8Array

  /** @param secret what they are sealed with: 32 random bytes, the same at every start */
  constructor(secret: Uint8Array) {
    this.#secret = secret
  }

  /** What is kept of the variables of a capsule; null where there are none. */
  seal(capsuleId: string, envs: Envs | undefined): string | null {
    if (!envs || Object.keys(envs).length === 0) return null
    return seal(JSON.stringify(envs), this.#sealing(capsuleId))
  }

  /** @throws Problem `internal_error` when they were sealed with another secret, or were altered */
  open({ id, envs }: Pick<Capsule, 'id' | 'envs'>): Envs | undefined {
    if (envs === null) return undefined
    try {
      return JSON.parse(unseal(envs, this.#sealing(id))) as Envs
    } catch (cause) {
      throw new Problem('internal_error', 'The environment variables of this capsule cannot be opened.', {
        hint: "They were set under another secret.key of the server's data directory. Put that back, or make a new capsule.",
        cause,
      })
    }
  }

  /**
   * The inside of a capsule whose programs all get its variables; what a program is given of its own comes first. They
   * are opened anew for each.
   */
  within(capsule: Pick<Capsule, 'id' | 'envs'>, guest: Guest): Guest {
    if (capsule.envs === null) return guest
    const given = (spec: ExecSpec): ExecSpec => ({ ...spec, envs: { ...this.open(capsule), ...spec.envs } })
    return {
      ...passedOn(guest),
      exec: async (spec, signal) => guest.exec(given(spec), signal),
      spawn: async (spec, signal) => guest.spawn(given(spec), signal),
    }
  }

  #sealing(bound: string) {
    return { secret: this.#secret, use: USE, bound }
  }
}

/** All that may be done in a guest but the start of programs. */
function passedOn(guest: Guest): Omit<Guest, 'exec' | 'spawn'> {
  return {
    processes: (...given) => guest.processes(...given),
    attach: (...given) => guest.attach(...given),
    writeStdin: (...given) => guest.writeStdin(...given),
    endStdin: (...given) => guest.endStdin(...given),
    resize: (...given) => guest.resize(...given),
    kill: (...given) => guest.kill(...given),
    writeFile: (...given) => guest.writeFile(...given),
    readFile: (...given) => guest.readFile(...given),
    listFiles: (...given) => guest.listFiles(...given),
    stat: (...given) => guest.stat(...given),
    makeDir: (...given) => guest.makeDir(...given),
    move: (...given) => guest.move(...given),
    remove: (...given) => guest.remove(...given),
    readTar: (...given) => guest.readTar(...given),
    writeTar: (...given) => guest.writeTar(...given),
    watch: (...given) => guest.watch(...given),
    connect: (...given) => guest.connect(...given),
  }
}
