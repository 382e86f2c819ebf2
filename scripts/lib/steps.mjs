/** Shows what is being done, how far it is and how long it takes. */

const live = process.stdout.isTTY
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`

/**
 * Runs steps one after the other. Each is `{ title, run(tell) }`; `tell` shows a line of detail. A step whose `run` returns
 * a text shows it instead of the time: "nothing to do".
 */
export async function runSteps(steps) {
  for (const [i, { title, run }] of steps.entries()) {
    const began = performance.now()
    const head = `[${i + 1}/${steps.length}] ${title}`
    let detail = ''
    const draw = () => live && process.stdout.write(`\r\x1b[2K${fit(`${head} … ${seconds(began)}  ${detail}`)}`)
    const timer = setInterval(draw, 100)
    if (!live) console.log(`${head} …`)
    try {
      const note = await run((line) => {
        detail = line
        draw()
      })
      console.log(`${live ? '\r\x1b[2K' : ''}${head}: ${note ?? 'done'} (${seconds(began)})`)
    } catch (error) {
      console.log(`${live ? '\r\x1b[2K' : ''}${head}: failed (${seconds(began)})`)
      throw error
    } finally {
      clearInterval(timer)
    }
  }
}

function fit(text) {
  const width = (process.stdout.columns ?? 80) - 1
  return text.length > width ? text.slice(0, width) : text
}

/** A failure that is told to a person as it stands: what happened, and what to do. */
export class Advice extends Error {}

/** Runs `main` and ends the process with its exit code; shows what went wrong without a stack where it is advice. */
export async function runMain(main) {
  try {
    process.exitCode = (await main()) ?? 0
  } catch (error) {
    console.error(`\n${error instanceof Advice ? error.message : (error.stack ?? error)}`)
    process.exitCode = 1
  }
}
