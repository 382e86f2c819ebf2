import type { TemplateBody } from '@wrenn/wire'
import type { Version } from '../store/store.js'
import type { Context } from './context.js'
import type { Damage } from './damage.js'

/** What snapshots occupy on the disks of the hosts, now. */
export class Cost {
  constructor(
    private readonly context: Context,
    private readonly damage: Damage,
  ) {}

  /** Nothing for an image, nor where the host cannot tell. */
  async of(version: Version): Promise<Pick<TemplateBody, 'shared_bytes' | 'unique_bytes'>> {
    if (version.kind === 'image') return {}
    try {
      const { sharedBytes, uniqueBytes } = await this.context.fleet.pick().usage(version.ref)
      return { shared_bytes: sharedBytes, unique_bytes: uniqueBytes }
    } catch (err) {
      await this.damage.suspect(version, err)
      this.context.log.warn({ err, version: version.id }, 'what a snapshot occupies could not be told')
      return {}
    }
  }
}
