/**
 * The rate of this machine's time stamp counter, which a guest's kernel has to know. It measures it for some milliseconds
 * against an emulated timer; where the guest does not get a processor for as long, it gives up, and then it waits for
 * ticks that a machine without a timer interrupt never has. Told the rate, it measures nothing.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** @returns undefined where Linux does not tell what it measured itself: where frequencies change, it has the present ones */
export async function tscKhz(root = '/'): Promise<number | undefined> {
  const read = (path: string) => readFile(join(root, path), 'utf8').catch(() => undefined)
  if ((await read('sys/devices/system/cpu/cpu0/cpufreq/scaling_driver')) !== undefined) return undefined
  const rates = [...((await read('proc/cpuinfo')) ?? '').matchAll(/^cpu MHz\s*:\s*([\d.]+)$/gm)].map(([, mhz]) => mhz)
  const khz = Math.round(Number(rates[0]) * 1000)
  return khz > 0 && new Set(rates).size === 1 ? khz : undefined
}
