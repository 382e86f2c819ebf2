/** A host in a process of its own, for tests: it is started in a network namespace, and does what its parent asks. */
import { openHost } from '@wrenn/host'
import { pino } from 'pino'

const log = pino({ level: process.env['LOG_LEVEL'] ?? 'silent' }, pino.destination(2))
let host

const methods = {
  async open(options) {
    host = await openHost({ ...options, driver: { kind: 'qemu', accelerator: 'auto' }, log })
    return await host.facts()
  },
  /** Runs a program in a capsule to its end. */
  async run(capsuleId, cmd, args) {
    const { output } = await host.guest(capsuleId).exec({ cmd, args }, AbortSignal.timeout(60_000))
    const said = { stdout: '', stderr: '', exit: -1 }
    for await (const event of output) {
      if (event.type === 'exit') said.exit = event.exitCode
      else said[event.type] += Buffer.from(event.data).toString()
    }
    return said
  },
  async spawn(capsuleId, cmd, args, tag) {
    return await host.guest(capsuleId).spawn({ cmd, args, tag }, AbortSignal.timeout(60_000))
  },
  async samples() {
    return await host.samples()
  },
}

process.on('message', ({ id, method, args }) => {
  const doing = methods[method] ? methods[method](...args) : host[method](...args)
  Promise.resolve(doing).then(
    (value) => process.send({ id, value }),
    (error) => process.send({ id, error: { code: error.code, message: error.message, stack: error.stack } }),
  )
})
process.on('disconnect', () => process.exit(0))
