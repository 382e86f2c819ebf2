/** Whether an address, or the name `localhost`, is of this machine alone. */
export function isLoopback(address: string): boolean {
  return address === 'localhost' || /^(127(\.\d+){3}|::1|::ffff:127(\.\d+){3})$/.test(address)
}
