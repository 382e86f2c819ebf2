/** The settings whose values a bundle may show; of all others it says only whether they are set. */
export const shown: readonly string[] = [
  'WRENN_LISTEN',
  'WRENN_DATA_DIR',
  'WRENN_AGENT',
  'WRENN_PROXY_AUTH',
  'WRENN_TEMPLATES',
  'WRENN_ACCELERATOR',
  'WRENN_RATE_LIMIT',
  'WRENN_MEMORY_OVERCOMMIT',
  'WRENN_MEMORY_RESERVE_MB',
  'WRENN_DISK_RESERVE_MB',
  'WRENN_NETWORK',
  'WRENN_NETWORK_POOL',
  'WRENN_NETWORK_READY',
  'WRENN_NETWORK_ALLOW',
]
