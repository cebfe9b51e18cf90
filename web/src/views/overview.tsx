/* What the server does at present, and did in the last minutes. */
import { type Watch, CAUSES, KINDS, useMetrics } from '../watch';
import { Badge, Facts, Notice, Panel, ProblemNotice } from '../parts/basics';
import { Chart, type Line } from '../parts/chart';
import { type Scrape, byLabel, sampleOf } from '../lib/metrics';
import { bytes, dateAndClock, duration, integer, percent, perSecond, short } from '../lib/format';
import { useTitle } from '../hooks';

const KIND_NAMES: Readonly<Record<string, string>> = { read: 'reads', write: 'writes', invalidate: 'invalidations', other: 'others' };

function valuesOf(watch: Watch, name: string): (number | undefined)[] {
  return watch.points.map(point => point[name]);
}

function lines(watch: Watch, names: readonly (readonly [string, string])[]): Line[] {
  return names.map(([name, title], at) => ({ name: title, colour: (at % 8) + 1, values: valuesOf(watch, name) }));
}

function Tile({ name, value, more }: { name: string; value: string; more?: string | undefined }) {
  return <div class="tile"><dt>{name}</dt><dd>{value}{more && <small>{more}</small>}</dd></div>;
}

function Tiles({ watch, now }: { watch: Watch; now: Scrape }) {
  const last = watch.points[watch.points.length - 1] ?? {};
  const of = (name: string, labels = {}) => sampleOf(now, name, labels);
  const used = of('strata_memory_used_bytes');
  const limit = of('strata_memory_limit_bytes');
  const keys = [...byLabel(now, 'strata_keys', 'database').values()].reduce((sum, value) => sum + value, 0);
  return (
    <dl class="tiles">
      <Tile name="Commands" value={perSecond(last['rate_all'])} more={`${short(of('strata_commands_total'))} since the start`} />
      <Tile name="Hit ratio" value={percent(last['hit_ratio'])} more={`${short(of('strata_hits_total'))} hits`} />
      <Tile name="Latency p99" value={duration(last['p99'])} more={`p50 ${duration(last['p50'])}`} />
      <Tile name="Keys" value={integer(keys)} more="in memory" />
      <Tile name="Memory" value={bytes(used)} more={`${used !== undefined && limit ? percent(used / limit) : ''} of ${bytes(limit)}`} />
      <Tile name="Connections" value={integer(of('strata_connections'))} more={`limit ${integer(of('strata_connections_limit'))}`} />
      <Tile name="Uptime" value={duration(of('strata_uptime_seconds'))} />
    </dl>
  );
}

function Charts({ watch }: { watch: Watch }) {
  const stores = [...byLabel(watch.now!, 'strata_store_bytes', 'store').keys()];
  const causes = CAUSES.filter(cause => watch.points.some(point => (point[`miss_${cause}`] ?? 0) > 0));
  const shown = causes.length ? causes : (['never_there'] as const);
  return (
    <div class="charts">
      <Chart title="Throughput by kind" times={watch.times} format={perSecond} stacked lines={lines(watch, KINDS.map(kind => [`rate_${kind}`, KIND_NAMES[kind] ?? kind]))} />
      <Chart title="Latency" times={watch.times} format={duration} lines={lines(watch, [['p50', 'p50'], ['p99', 'p99'], ['p999', 'p99.9']])} />
      <Chart title="Hit ratio" times={watch.times} format={percent} max={1.02} lines={lines(watch, [['hit_ratio', 'hits of all reads']])} />
      <Chart title="Misses by cause" times={watch.times} format={perSecond} stacked lines={lines(watch, shown.map(cause => [`miss_${cause}`, cause.replace(/_/g, ' ')]))} />
      <Chart title="Memory by store" times={watch.times} format={bytes} stacked binary
        lines={[...lines(watch, stores.map(store => [`store_${store}`, store])), { name: 'limit', colour: 8, dashed: true, values: valuesOf(watch, 'memory_limit') }]} />
      <Chart title="Keys gone, by cause" times={watch.times} format={perSecond} lines={lines(watch, [['gone_evicted', 'evicted'], ['gone_expired', 'expired'], ['gone_invalidated', 'invalidated']])} />
      <Chart title="Invalidation stream" times={watch.times} format={perSecond} lines={lines(watch, [['stream', 'records']])} />
      <Chart title="Connections" times={watch.times} format={integer} lines={lines(watch, [['connections', 'open']])} />
    </div>
  );
}

function State({ now }: { now: Scrape }) {
  const of = (name: string, labels = {}) => sampleOf(now, name, labels);
  const logs = of('strata_log_enabled') === 1;
  const broken = of('strata_log_refuses_writes') === 1;
  const tier = of('strata_tier_enabled') === 1;
  const failed = of('strata_snapshot_failed') === 1;
  const saved = of('strata_snapshot_last_timestamp_seconds');
  return (
    <div class="states">
      <Panel title="Log" actions={logs ? <Badge kind={broken ? 'bad' : 'good'}>{broken ? 'refuses writes' : 'writing'}</Badge> : <Badge kind="plain">off</Badge>}>
        {logs ? <Facts rows={[['Since the last snapshot', bytes(of('strata_log_size_bytes'))], ['Not flushed yet', `${integer(of('strata_log_unflushed_records'))} records`],
          ['Last flush', duration(of('strata_log_flush_last_seconds'))], ['Slowest flush', duration(of('strata_log_flush_highest_seconds'))]]} />
          : <p class="dim">Changes are not logged on disk; a restart begins empty (appendonly).</p>}
      </Panel>
      <Panel title="Snapshots" actions={failed ? <Badge kind="bad">failed</Badge> : of('strata_snapshot_running') === 1 ? <Badge kind="busy">running</Badge> : undefined}>
        <Facts rows={[['Last', saved ? dateAndClock(saved * 1000) : 'none'], ['Size', bytes(of('strata_snapshot_size_bytes'))],
          ['Took', duration(of('strata_snapshot_duration_seconds'))], ['Failures', integer(of('strata_snapshot_failures_total'))]]} />
      </Panel>
      <Panel title="Warm tier" actions={<Badge kind={tier ? 'good' : 'plain'}>{tier ? 'on' : 'off'}</Badge>}>
        {tier ? <Facts rows={[['Keys', integer(of('strata_tier_keys'))], ['Data', bytes(of('strata_tier_data_bytes'))],
          ['File', `${bytes(of('strata_tier_file_used_bytes'))} of ${bytes(of('strata_tier_file_size_bytes'))}`], ['Reads served', integer(of('strata_tier_hits_total'))]]} />
          : <p class="dim">What memory has no room for is evicted (warm-file).</p>}
      </Panel>
      <Panel title="Rules" actions={of('strata_rules_load_failed') === 1 ? <Badge kind="bad">last load failed</Badge> : undefined}>
        <Facts rows={[['Loaded', of('strata_rules_last_load_timestamp_seconds') ? dateAndClock(of('strata_rules_last_load_timestamp_seconds')! * 1000) : 'never'],
          ['Writes by others than the owner', integer(of('strata_rules_violations_total', { kind: 'not_owner' }))], ['Leases out', integer(of('strata_leases'))],
          ['Subscribers of the stream', integer(of('strata_stream_subscribers', { kind: 'all' }))]]} />
      </Panel>
    </div>
  );
}

export function Overview() {
  useTitle('Overview');
  const watch = useMetrics();
  const loading = watch.now && sampleOf(watch.now, 'strata_loading') === 1;
  return (
    <>
      <h1>Overview</h1>
      <ProblemNotice problem={watch.problem} what="see the metrics of this server (METRICS)" />
      {loading && <Notice kind="warning">What was kept on disk is being loaded; commands are not served yet.</Notice>}
      {!watch.now && !watch.problem && <p class="dim">Asking the server…</p>}
      {watch.now && <><Tiles watch={watch} now={watch.now} /><Charts watch={watch} /><State now={watch.now} /></>}
    </>
  );
}
