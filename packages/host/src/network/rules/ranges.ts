/** What no capsule reaches unless the operator opens it. */

/**
 * The addresses of IPv4 that mean something near the host and nothing on the internet (IANA's special-purpose registry), and
 * the public one at which a cloud serves its metadata; all others serve theirs below 169.254.0.0/16.
 */
export const closedRanges = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '168.63.129.16',
] as const
