import { metricsRanges, statsRanges, type MetricsRange, type StatsRange } from '@wrenn/wire'
import { type Command, Option } from 'commander'
import { contextOf, type World } from '../context.js'
import { bytes, table } from '../format.js'

export function addMetricsCommands(program: Command, world: World): void {
  program
    .command('metrics <id>')
    .description('show what a capsule has used of processor, memory and disk')
    .addOption(new Option('--range <time>', 'the time up to now').choices(metricsRanges).default('10m'))
    .action(async (id: string, { range }: { range: MetricsRange }, command: Command) => {
      const { client, show, signal } = contextOf(command, world)
      const metrics = await (await client.capsules.connect(id, { signal })).metrics({ range, signal })
      const rows = metrics.points.map((point) => [
        new Date(point.timestamp_unix * 1000).toISOString().slice(0, 19) + 'Z',
        `${point.cpu_pct.toFixed(1)} %`,
        bytes(point.mem_bytes),
        bytes(point.disk_bytes),
      ])
      show(metrics, () => table(['TIME', 'CPU', 'MEMORY', 'DISK'], rows))
    })

  program
    .command('stats')
    .description("show what all of the team's capsules use, now and at most; with --json, over time too")
    .addOption(new Option('--range <time>', 'the time up to now, of --json').choices(statsRanges).default('1h'))
    .action(async ({ range }: { range: StatsRange }, command: Command) => {
      const { client, show, signal } = contextOf(command, world)
      const stats = await client.capsules.stats({ range, signal })
      const { current, peaks } = stats
      const rows = [
        ['capsules', String(current.running_count), String(peaks.running_count)],
        ['vcpus', String(current.vcpus_reserved), String(peaks.vcpus)],
        ['memory', `${current.memory_mb_reserved} MiB`, `${peaks.memory_mb} MiB`],
      ]
      show(stats, () => table(['', 'NOW', 'MOST IN 30 DAYS'], rows))
    })

  program
    .command('usage')
    .description('show the processor and memory minutes of the team, day by day')
    .option('--from <day>', 'the first day, as 2026-01-31 (default: 30 days ago)')
    .option('--to <day>', 'the last day (default: today)')
    .action(async (days: { from?: string; to?: string }, command: Command) => {
      const { client, show, signal } = contextOf(command, world)
      const usage = await client.capsules.usage({ ...days, signal })
      const rows = usage.points.map((day) => [day.date, day.cpu_minutes.toFixed(1), day.ram_mb_minutes.toFixed(0)])
      show(usage, () => table(['DAY', 'VCPU MINUTES', 'MIB MINUTES'], rows))
    })
}
