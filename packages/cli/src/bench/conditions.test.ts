import { expect, test } from 'vitest'
import { fileSystemOf } from './conditions.js'

const mounts = `21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
22 21 0:20 / /srv rw - tmpfs tmpfs rw
23 22 254:1 / /srv/with\\040space rw - xfs /dev/vdb rw
24 22 254:2 / /srv rw - btrfs /dev/vdc rw
`

test('the file system of a path is that of the longest mount point above it', () => {
  expect(fileSystemOf(mounts, '/var/lib')).toBe('ext4')
  expect(fileSystemOf(mounts, '/srv/with space/data')).toBe('xfs')
  expect(fileSystemOf(mounts, '/srvice')).toBe('ext4')
})

test('of two on one place the later counts', () => {
  expect(fileSystemOf(mounts, '/srv')).toBe('btrfs')
})

test('without an answer it is unknown', () => {
  expect(fileSystemOf('', '/var')).toBe('unknown')
})
