import { open } from 'node:fs/promises'
import { isMissing } from '../fs/durable.js'
import { ok, reasonOf, skipped, warning, type Outcome } from './outcome.js'

/** Whether tap devices can be made: each capsule's network begins with one. */
export async function checkTun(isRoot: boolean, device = '/dev/net/tun'): Promise<Outcome> {
  if (!isRoot) return skipped('only root gives capsules a network')
  try {
    await (await open(device, 'r+')).close()
    return ok(device)
  } catch (error) {
    return warning(isMissing(error) ? `There is no ${device}.` : `${device} cannot be opened (${reasonOf(error)}).`, {
      fix: 'modprobe tun; in a container, pass the device to it. Without it capsules have no network.',
    })
  }
}
