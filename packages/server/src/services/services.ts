import { Background } from './background.js'
import { Capsules } from './capsules.js'
import type { Context } from './context.js'
import { Inside } from './inside.js'
import { Keys } from './keys.js'
import { Retired } from './retired.js'
import { Snapshots } from './snapshots.js'
import { Templates } from './templates.js'

/** All services, on one context. */
export interface Services {
  keys: Keys
  capsules: Capsules
  inside: Inside
  snapshots: Snapshots
  templates: Templates
  background: Background
  retired: Retired
}

export function makeServices(context: Context): Services {
  const background = new Background()
  const retired = new Retired(context)
  return {
    keys: new Keys(context),
    capsules: new Capsules(context, { background, retired }),
    inside: new Inside(context),
    snapshots: new Snapshots(context, { background, retired }),
    templates: new Templates(context, retired),
    background,
    retired,
  }
}
