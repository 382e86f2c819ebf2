import { Problem, type HostClient } from '@wrenn/wire'

/** The hosts that run capsules, and which of them is asked for what. One host today. */
export class Fleet {
  constructor(private readonly hosts: readonly HostClient[]) {}

  /** The host for a new capsule. @throws Problem `no_hosts_available` */
  pick(): HostClient {
    const [host] = this.hosts
    if (!host) throw new Problem('no_hosts_available', 'There is no host to run this capsule.')
    return host
  }

  /** The host that runs this capsule. @throws Problem `host_unavailable` */
  hostFor(_capsuleId: string): HostClient {
    const [host] = this.hosts
    if (!host) throw new Problem('host_unavailable', 'The host that runs this capsule is gone.')
    return host
  }

  all(): readonly HostClient[] {
    return this.hosts
  }
}
