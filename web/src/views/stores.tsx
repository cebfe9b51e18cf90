/* The stores, and the tier, the log and the snapshots below them. */
import { json } from '../api';
import { Badge, Facts, Meter, Panel, ProblemNotice } from '../parts/basics';
import { Table, type Column } from '../parts/table';
import { bytes, dateAndClock, duration, integer, percent } from '../lib/format';
import { usePolled, useTitle } from '../hooks';

interface Store {
  readonly name: string; readonly policy: string; readonly method: string; readonly guaranteed_bytes: number; readonly entries_max: number; readonly ttl_ms: number; readonly shards: number;
  readonly entries: number; readonly expiring: number; readonly bytes: number; readonly live_bytes: number; readonly filter: string;
}

const STORES: readonly Column<Store>[] = [
  { name: 'name', title: 'Store', value: row => row.name, show: row => <code>{row.name}</code> },
  { name: 'entries', title: 'Keys', number: true, value: row => row.entries, show: row => integer(row.entries) },
  { name: 'bytes', title: 'Memory', number: true, value: row => row.bytes, show: row => bytes(row.bytes) },
  { name: 'guaranteed', title: 'Guaranteed', value: row => (row.guaranteed_bytes ? row.bytes / row.guaranteed_bytes : undefined), show: row => (row.guaranteed_bytes
    ? <Meter part={row.bytes / row.guaranteed_bytes} text={`${percent(row.bytes / row.guaranteed_bytes)} of ${bytes(row.guaranteed_bytes)}`} /> : <span class="dim">nothing</span>) },
  { name: 'live', title: 'Live data', number: true, value: row => row.live_bytes, show: row => bytes(row.live_bytes) },
  { name: 'expiring', title: 'Expiring', number: true, value: row => row.expiring, show: row => integer(row.expiring) },
  { name: 'policy', title: 'Policy', value: row => row.policy, show: row => <>{row.policy} <span class="dim">({row.method})</span></> },
  { name: 'ttl', title: 'TTL', number: true, value: row => row.ttl_ms, show: row => (row.ttl_ms ? duration(row.ttl_ms / 1000) : '–') },
  { name: 'max', title: 'Keys at most', number: true, value: row => row.entries_max, show: row => (row.entries_max ? integer(row.entries_max) : 'no limit') },
  { name: 'filter', title: 'Filter', value: row => row.filter },
];

async function load(signal: AbortSignal): Promise<Store[]> {
  const names = await json<string[]>('/v1/stores', { signal });
  return Promise.all(names.map(name => json<Store>(`/v1/stores/${encodeURIComponent(name)}`, { signal })));
}

type Section = Readonly<Record<string, number | string>>;

async function section(name: string, signal: AbortSignal): Promise<Section> {
  return (await json<Record<string, Section>>(`/v1/info?section=${name}`, { signal }))[name] ?? {};
}

function Tier({ tier }: { tier: Section }) {
  const of = (name: string) => Number(tier[name] ?? 0);
  if (!of('tier_enabled')) return <p class="dim">There is none: what memory has no room for is evicted (warm-file, warm-size).</p>;
  return <Facts rows={[
    ['Keys', integer(of('tier_keys'))], ['Data', bytes(of('tier_bytes'))],
    ['File', <Meter part={of('tier_file_used') / of('tier_file_size')} text={`${bytes(of('tier_file_used'))} of ${bytes(of('tier_file_size'))}`} />],
    ['Demoted', `${integer(of('tier_demoted'))} keys, ${bytes(of('tier_demoted_bytes'))}`], ['Promoted', `${integer(of('tier_promoted'))} keys, ${bytes(of('tier_promoted_bytes'))}`],
    ['Reads served', integer(of('tier_hits'))], ['Evicted there', integer(of('tier_evicted'))], ['Reads of the disk', integer(of('tier_reads'))],
    ['Failures', `${integer(of('tier_reads_failed'))} reads, ${integer(of('tier_reads_damaged'))} damaged, ${integer(of('tier_write_failures'))} writes`], ['Read by', String(tier['tier_read_by'] ?? '–')],
  ]} />;
}

function Kept({ kept }: { kept: Section }) {
  const of = (name: string) => Number(kept[name] ?? 0);
  const logs = of('aof_enabled') === 1;
  return <Facts rows={[
    ['Log', logs ? <Badge kind={of('log_refuses_writes') ? 'bad' : 'good'}>{of('log_refuses_writes') ? 'refuses writes' : 'writing'}</Badge> : <Badge kind="plain">off</Badge>],
    ['Log and snapshot', logs ? bytes(of('aof_current_size')) : '–'], ['Files', logs ? integer(of('log_files')) : '–'],
    ['Last flush', logs ? duration(of('log_flush_last_us') / 1e6) : '–'], ['Slowest flush', logs ? duration(of('log_flush_max_us') / 1e6) : '–'],
    ['Last snapshot', of('rdb_last_save_time') ? dateAndClock(of('rdb_last_save_time') * 1000) : 'none'],
    ['Changes since', integer(of('rdb_changes_since_last_save'))], ['Snapshot is running', of('rdb_bgsave_in_progress') ? 'yes' : 'no'], ['Last backup', of('backup_last_time') ? dateAndClock(of('backup_last_time') * 1000) : 'none'],
  ]} />;
}

export function Stores() {
  useTitle('Stores');
  const stores = usePolled(load, 4000);
  const tier = usePolled(signal => section('tier', signal), 4000);
  const kept = usePolled(signal => section('persistence', signal), 4000);
  return (
    <>
      <h1>Stores and tier</h1>
      <ProblemNotice problem={stores.problem} what="see the stores (STORE LIST, STORE INFO)" />
      {stores.value && <Panel title="Stores" wide><Table caption="Stores" columns={STORES} rows={stores.value} id={row => row.name} sort="name" empty="There are none." /></Panel>}
      <div class="columns">
        <Panel title="Warm tier"><ProblemNotice problem={tier.problem} what="see the tier (INFO)" />{tier.value && <Tier tier={tier.value} />}</Panel>
        <Panel title="Log and snapshots"><ProblemNotice problem={kept.problem} what="see the log (INFO)" />{kept.value && <Kept kept={kept.value} />}</Panel>
      </div>
    </>
  );
}
