/** Whether a child has its streams: where there were no descriptors for them, it has none, and only an error. */
export function hasStreams({ stdout }: { stdout?: unknown }): boolean {
  return stdout !== undefined
}
