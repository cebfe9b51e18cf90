/* What each class of the rules does. */
import { json, text } from '../api';
import { CAUSES } from '../watch';
import { Notice, Panel, ProblemNotice } from '../parts/basics';
import { Table, type Column } from '../parts/table';
import { type Wire, shown } from '../lib/bytes';
import { bytes, duration, integer, percent } from '../lib/format';
import { bucketsOf, percentile } from '../lib/histogram';
import { parseMetrics } from '../lib/metrics';
import { ratio } from '../lib/rates';
import { usePolled, useTitle } from '../hooks';

interface Class {
  readonly class?: Wire; readonly prefix?: Wire; readonly keys?: number; readonly bytes?: number; readonly ttl?: Readonly<Record<string, number>>;
  readonly hits: number; readonly misses: number; readonly misses_by?: Readonly<Record<string, number>>; readonly writes: number;
  readonly evicted: number; readonly expired: number; readonly invalidated: number; readonly deleted: number; readonly usec_per_call?: string;
}

/* The prefixes of keys without a class come by themselves, and last all such keys together. */
function nameOf(row: Class): string {
  return row.class !== undefined ? shown(row.class) : row.prefix !== undefined ? `${shown(row.prefix)}…` : '(none)';
}

function Name({ row }: { row: Class }) {
  if (row.class !== undefined) return <code>{shown(row.class)}</code>;
  return row.prefix !== undefined ? <><code>{nameOf(row)}</code> <span class="dim">no class</span></> : <span class="dim">all keys without a class</span>;
}

function name(cause: string): string {
  return cause.replace(/_/g, ' ');
}

const NAMED_MAX = 2;

/* The bar has all causes, the words the most frequent of them; all in words for who does not see the bar, or points at it. */
function Causes({ row }: { row: Class }) {
  const by = CAUSES.map((cause, at) => ({ cause, colour: at + 1, count: row.misses_by?.[cause] ?? 0 })).filter(each => each.count > 0);
  const whole = by.reduce((sum, each) => sum + each.count, 0);
  if (by.length === 0) return <span class="dim">none</span>;
  const first = [...by].sort((a, b) => b.count - a.count).slice(0, NAMED_MAX);
  const starts = by.map((_, at) => by.slice(0, at).reduce((sum, other) => sum + other.count, 0));
  const words = by.map(each => `${name(each.cause)} ${integer(each.count)}`).join(', ');
  return (
    <span class="causes" title={words}>
      <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        {by.map((each, at) => <rect key={each.cause} class={`line-${each.colour}`} x={(starts[at]! / whole) * 100} width={(each.count / whole) * 100} height="8" />)}
      </svg>
      <span aria-hidden="true">{first.map(each => `${name(each.cause)} ${percent(each.count / whole)}`).join(', ')}</span><span class="hidden">{words}</span>
    </span>
  );
}

function CauseColours() {
  return <ul class="legend" aria-label="Colours of the causes">{CAUSES.map((cause, at) => <li key={cause}><span class={`swatch line-${at + 1}`} aria-hidden="true" />{name(cause)}</li>)}</ul>;
}

function lives(ttl: Readonly<Record<string, number>> | undefined): string {
  const parts = Object.entries(ttl ?? {}).filter(([, count]) => count > 0).map(([limit, count]) => `${/^\d/.test(limit) ? '≤ ' : ''}${limit}: ${integer(count)}`);
  return parts.join(', ') || '–';
}

function columnsOf(p99: ReadonlyMap<string, number | undefined> | undefined): readonly Column<Class>[] {
  return [
    { name: 'class', title: 'Class', value: nameOf, show: row => <Name row={row} /> },
    { name: 'keys', title: 'Keys', number: true, value: row => row.keys, show: row => integer(row.keys) },
    { name: 'bytes', title: 'Memory', number: true, value: row => row.bytes, show: row => bytes(row.bytes) },
    { name: 'ratio', title: 'Hit ratio', number: true, value: row => ratio(row.hits, row.misses), show: row => percent(ratio(row.hits, row.misses)) },
    { name: 'hits', title: 'Hits', number: true, value: row => row.hits, show: row => integer(row.hits) },
    { name: 'misses', title: 'Misses', number: true, value: row => row.misses, show: row => integer(row.misses) },
    { name: 'p99', title: 'p99', number: true, value: row => p99?.get(nameOf(row)), show: row => duration(p99?.get(nameOf(row))) },
    { name: 'writes', title: 'Writes', number: true, value: row => row.writes, show: row => integer(row.writes) },
    { name: 'invalidated', title: 'Invalidated', number: true, value: row => row.invalidated, show: row => integer(row.invalidated) },
    { name: 'evicted', title: 'Evicted', number: true, value: row => row.evicted, show: row => integer(row.evicted) },
  ];
}

const WHY: readonly Column<Class>[] = [
  { name: 'class', title: 'Class', value: nameOf, show: row => <Name row={row} /> },
  { name: 'misses', title: 'Misses', number: true, value: row => row.misses, show: row => integer(row.misses) },
  { name: 'causes', title: 'Why they were missed', value: row => row.misses, show: row => <Causes row={row} />, fixed: true },
  { name: 'ttl', title: 'Keys by what is left of their TTL', value: row => lives(row.ttl), fixed: true },
];

async function latencies(signal: AbortSignal): Promise<ReadonlyMap<string, number | undefined>> {
  const scrape = parseMetrics(await text('/metrics', signal));
  const name = 'strata_class_command_duration_seconds';
  const classes = new Set((scrape.get(name + '_count') ?? []).map(sample => sample.labels['class'] ?? ''));
  return new Map([...classes].map(of => [of, percentile(bucketsOf(scrape, name, { class: of }), 0.99)]));
}

export function Classes() {
  useTitle('Classes');
  const classes = usePolled(signal => json<Class[]>('/v1/classes', { signal }), 4000);
  const p99 = usePolled(latencies, 8000);
  return (
    <>
      <h1>Classes</h1>
      <p class="dim">What the classes of the rules, and the busiest prefixes of keys without one, have done since the start. Keys and memory are counted every ten seconds; p99 is of samples.</p>
      <ProblemNotice problem={classes.problem} what="see what classes do (STATS CLASS)" />
      {p99.problem?.isRefused && <Notice kind="warning">The latencies are left out: you have no right to METRICS.</Notice>}
      {classes.value && (
        <>
          <Panel title="Classes" wide>
            <Table caption="Classes" columns={columnsOf(p99.value)} rows={classes.value} id={nameOf} sort="-hits" empty="There are no classes: no rules are loaded, and no keys were used." />
          </Panel>
          <Panel title="Misses, and how long keys live" wide>
            <Table caption="Misses by cause, and keys by time to live" columns={WHY} rows={classes.value} id={nameOf} sort="-misses" empty="There are no classes: no rules are loaded, and no keys were used." />
            <CauseColours />
          </Panel>
        </>
      )}
    </>
  );
}
