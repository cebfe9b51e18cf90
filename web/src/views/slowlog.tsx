/* Commands that took long, and how long each command takes. */
import { command, json } from '../api';
import { useMetrics } from '../watch';
import { Panel, ProblemNotice } from '../parts/basics';
import { Table, type Column } from '../parts/table';
import { type Wire, shown } from '../lib/bytes';
import { clock, dateAndClock, duration, integer } from '../lib/format';
import { bucketsOf, percentile } from '../lib/histogram';
import { type Scrape, byLabel } from '../lib/metrics';
import { usePolled, useTitle } from '../hooks';

interface Slow {
  readonly id: number; readonly time: number; readonly duration_us: number; readonly command: readonly Wire[]; readonly client: string; readonly name: Wire;
}

const SLOW: readonly Column<Slow>[] = [
  { name: 'id', title: 'Number', number: true, value: row => row.id },
  { name: 'time', title: 'When', value: row => row.time, show: row => dateAndClock(row.time * 1000) },
  { name: 'took', title: 'Took', number: true, value: row => row.duration_us, show: row => duration(row.duration_us / 1e6) },
  { name: 'command', title: 'Command', value: row => row.command.map(shown).join(' '), show: row => <code class="long">{row.command.map(shown).join(' ')}</code> },
  { name: 'client', title: 'Client', value: row => row.client, show: row => <>{row.client}{row.name !== '' ? ` (${shown(row.name)})` : ''}</> },
];

type Latest = [event: string, time: number, lastMs: number, highestMs: number];

const EVENTS: readonly Column<Latest>[] = [
  { name: 'event', title: 'Delay', value: row => row[0] },
  { name: 'time', title: 'Last at', value: row => row[1], show: row => clock(row[1] * 1000) },
  { name: 'last', title: 'Last', number: true, value: row => row[2], show: row => duration(row[2] / 1000) },
  { name: 'highest', title: 'Longest', number: true, value: row => row[3], show: row => duration(row[3] / 1000) },
];

interface Timed {
  readonly name: string; readonly calls: number; readonly p50: number | undefined; readonly p99: number | undefined; readonly p999: number | undefined; readonly failed: number;
}

const TIMED: readonly Column<Timed>[] = [
  { name: 'name', title: 'Command', value: row => row.name, show: row => <code>{row.name.replace('|', ' ')}</code> },
  { name: 'calls', title: 'Calls', number: true, value: row => row.calls, show: row => integer(row.calls) },
  { name: 'failed', title: 'Errors', number: true, value: row => row.failed, show: row => integer(row.failed) },
  { name: 'p50', title: 'p50', number: true, value: row => row.p50, show: row => duration(row.p50) },
  { name: 'p99', title: 'p99', number: true, value: row => row.p99, show: row => duration(row.p99) },
  { name: 'p999', title: 'p99.9', number: true, value: row => row.p999, show: row => duration(row.p999) },
];

function timesOf(scrape: Scrape): Timed[] {
  const failed = byLabel(scrape, 'strata_command_failed_total', 'command');
  return [...byLabel(scrape, 'strata_command_calls_total', 'command')].map(([name, calls]) => {
    const buckets = bucketsOf(scrape, 'strata_command_duration_seconds', { command: name });
    return { name, calls, failed: failed.get(name) ?? 0, p50: percentile(buckets, 0.5), p99: percentile(buckets, 0.99), p999: percentile(buckets, 0.999) };
  });
}

export function SlowLog() {
  useTitle('Slow log');
  const slow = usePolled(signal => json<{ entries: Slow[] }>('/v1/slowlog?limit=128', { signal }), 5000);
  const events = usePolled(signal => command<Latest[]>(['LATENCY', 'LATEST'], signal), 5000);
  const { now, problem } = useMetrics();
  return (
    <>
      <h1>Slow log and latency</h1>
      <Panel title="Slow commands" wide>
        <p class="dim">Commands that ran longer than slowlog-log-slower-than.</p>
        <ProblemNotice problem={slow.problem} what="see slow commands (SLOWLOG GET)" />
        {slow.value && <Table caption="Slow commands" columns={SLOW} rows={slow.value.entries} id={row => String(row.id)} sort="-id" empty="No command was slow." />}
      </Panel>
      <Panel title="Delays" wide>
        <ProblemNotice problem={events.problem} what="see delays (LATENCY LATEST)" />
        {events.value && <Table caption="Delays" columns={EVENTS} rows={events.value} id={row => row[0]} empty="Nothing was over latency-monitor-threshold." />}
      </Panel>
      <Panel title="How long commands take, since the start" wide>
        <ProblemNotice problem={problem} what="see the metrics of this server (METRICS)" />
        {now && <Table caption="Run time by command" columns={TIMED} rows={timesOf(now)} id={row => row.name} sort="-calls" empty="No command was run." />}
      </Panel>
    </>
  );
}
