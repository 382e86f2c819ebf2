/**
 * A multipart body whose file comes from a stream and is never held as a whole. FormData cannot do that: it wants blobs,
 * whose size is known.
 */
export function multipartStream(
  path: string,
  content: ReadableStream<Uint8Array>,
): { body: ReadableStream<Uint8Array>; contentType: string } {
  const boundary = `wrenn-${crypto.randomUUID()}`
  const text = (value: string) => new TextEncoder().encode(value)
  const head =
    `--${boundary}\r\nContent-Disposition: form-data; name="path"\r\n\r\n${path}\r\n` +
    `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\nContent-Type: application/octet-stream\r\n\r\n`
  const framed = new TransformStream<Uint8Array, Uint8Array>({
    start: (controller) => controller.enqueue(text(head)),
    flush: (controller) => controller.enqueue(text(`\r\n--${boundary}--\r\n`)),
  })
  return { body: content.pipeThrough(framed), contentType: `multipart/form-data; boundary=${boundary}` }
}
