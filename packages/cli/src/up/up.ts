/** `wrenn up`: runs the server on this machine until it is told to stop. */
import { access, readFile } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Image } from '@wrenn/host'
import { makeLogger, type Store, type Tls } from '@wrenn/server'
import { isProblem, toProblem } from '@wrenn/wire'
import { Listr, PRESET_TIMER } from 'listr2'
import type { Logger } from 'pino'
import { Box, openBoxStore } from './box.js'
import { build } from './build.js'
import { demonstrateOnce } from './demonstration.js'
import { makeFirstKey } from './first-key.js'
import { buildLater } from './later.js'
import { nextSteps } from './next-steps.js'
import { assertKeyed, warningOf } from './reach.js'
import { readSettings, SettingsError, type Settings } from './settings.js'
import { chooseTemplates, type Chosen } from './templates.js'
import { readTls } from './tls.js'

/** After this the process ends whatever is still under way; capsules do not depend on it. */
const CLOSE_MS = 1_500

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

/** Runs the server; resolves with the exit code when it has ended. */
export async function up(env: NodeJS.ProcessEnv): Promise<number> {
  const stopping = new AbortController()
  const stop = () => stopping.abort()
  process.once('SIGINT', stop).once('SIGTERM', stop)
  try {
    const settings = readSettings(env)
    await access(settings.agent).catch(() =>
      Promise.reject(
        new SettingsError([`WRENN_AGENT: there is no agent at ${settings.agent}; npm run setup builds it`]),
      ),
    )
    const store = await openBoxStore(settings.dataDir, version)
    try {
      await serve(settings, store, stopping.signal)
    } finally {
      await store.close()
    }
    return 0
  } catch (error) {
    if (stopping.signal.aborted) return 0
    tell(error)
    return 1
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}

async function serve(settings: Settings, store: Store, signal: AbortSignal): Promise<void> {
  const log = makeLogger({ level: 'warn' })
  const tls = await readTls(settings)
  await assertKeyed(settings, store)
  const keyFile = join(settings.dataDir, 'api-key')
  const newKey = await makeFirstKey({ store, file: keyFile, wanted: settings.firstKey })
  const apiKey = settings.firstKey ?? (await readFile(keyFile, 'utf8').catch(() => '')).trim()
  const chosen = await chooseTemplates(settings.templates)
  const box = await prepare({ settings, store, tls, log, chosen }, signal)
  const endRenewals = renewTlsOnHangup(settings, box)
  try {
    const url = await box.listen(settings.listen)
    // The certificate is for a name, which is not known here.
    if (process.stdout.isTTY && apiKey && !tls) await demonstrateOnce({ dataDir: settings.dataDir, url, apiKey })
    console.log(nextSteps({ url, settings, facts: await box.facts(), newKey }))
    const warning = warningOf(settings)
    if (warning) console.warn(warning)
    void buildLater({ settings, box, log, templates: chosen.later }, signal)
    await aborted(signal)
    console.log('Stopping; capsules go on.')
  } finally {
    endRenewals()
    const forced = setTimeout(() => process.exit(0), CLOSE_MS)
    await box.close()
    clearTimeout(forced)
  }
}

/** SIGHUP: the files of the certificate have changed. @returns what ends that */
function renewTlsOnHangup(settings: Settings, box: Box): () => void {
  if (!settings.tls) return () => {}
  const renew = () =>
    void readTls(settings)
      .then((tls) => box.renewTls(tls!))
      .then(() => console.log('The certificate was read again.'), tell)
  process.on('SIGHUP', renew)
  return () => void process.off('SIGHUP', renew)
}

interface Wanted {
  settings: Settings
  store: Store
  tls: Tls | undefined
  log: Logger
  chosen: Chosen
}

interface Prepared {
  images: Image[]
  box: Box
}

/** Does what has to be done before serving, and shows it. */
async function prepare({ settings, store, tls, log, chosen }: Wanted, signal: AbortSignal): Promise<Box> {
  const prepared: Partial<Prepared> = {}
  const steps = new Listr<Partial<Prepared>, 'default', 'verbose'>(
    [
      {
        title: 'Platform templates',
        task: async (on, task) => {
          const templates = chosen.first
          on.images = await build({ settings, templates, onStep: (text) => (task.output = text) }, signal)
        },
      },
      {
        title: 'Virtual machines, and what ran before',
        task: async (on) => {
          on.box = await Box.open({ settings, store, tls, images: on.images!, building: chosen.later, log, version })
        },
      },
      {
        title: 'Ready memory of the default size',
        task: (on, task) => on.box!.makeReady((text) => (task.output = text)),
      },
    ],
    {
      fallbackRenderer: 'verbose',
      rendererOptions: { timer: PRESET_TIMER },
      fallbackRendererOptions: { timer: PRESET_TIMER },
    },
  )
  try {
    await steps.run(prepared)
    signal.throwIfAborted()
    return prepared.box!
  } catch (error) {
    await prepared.box?.close()
    throw error
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

function tell(error: unknown): void {
  if (error instanceof SettingsError) return console.error(error.message)
  const problem = toProblem(error)
  console.error(`Wrenn could not start: ${isProblem(error) ? problem.message : String(error)}`)
  if (problem.hint) console.error(problem.hint)
  for (let cause = (error as Error).cause; cause instanceof Error; cause = cause.cause as Error)
    console.error(`  because: ${cause.message}`)
}
