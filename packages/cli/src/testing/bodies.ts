/** What the API says of things, for tests. */
import type { CapsuleBody, TemplateBody, VersionBody } from 'wrenn'

export function capsuleBody(given: Partial<CapsuleBody> = {}): CapsuleBody {
  return {
    id: 'cl-1',
    status: 'running',
    template: 'minimal',
    vcpus: 1,
    memory_mb: 512,
    timeout_sec: 0,
    created_at: '2030-01-01T00:00:00.000Z',
    last_updated: '2030-01-01T00:00:00.000Z',
    disk_size_mb: 4096,
    ...given,
  }
}

export function templateBody(given: Partial<TemplateBody> = {}): TemplateBody {
  return {
    name: 'trained',
    type: 'snapshot',
    vcpus: 1,
    memory_mb: 512,
    size_bytes: 2 * 2 ** 20,
    created_at: '2030-01-01T00:00:00.000Z',
    platform: false,
    protected: false,
    metadata: {},
    version: 1,
    ...given,
  }
}

/** A version of a template, of which each is an hour newer than the one before. */
export function versionBody(version: number, given: Partial<VersionBody> = {}): VersionBody {
  const created_at = new Date(Date.parse('2030-01-01T00:00:00Z') + version * 3_600_000).toISOString()
  return { ...templateBody({ version, created_at }), current: false, ...given }
}
