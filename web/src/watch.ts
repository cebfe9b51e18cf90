/* The metrics of the last minutes: one reading every two seconds while a view that shows them is open, and what lies between two of them. */
import { useEffect, useState } from 'preact/hooks';
import { type Problem, problemOf, text } from './api';
import { type Bucket, bucketGrowth, bucketsOf, percentile } from './lib/histogram';
import { type Scrape, byLabel, parseMetrics, sampleOf, sumOf } from './lib/metrics';
import { rate, ratio } from './lib/rates';
import spec from '../generated/spec.json';

export const EVERY_MS = 2000;
const POINTS_MAX = 300;
const GAP_MS = 3 * EVERY_MS;

export const CAUSES = ['never_there', 'expired', 'evicted', 'invalidated', 'deleted', 'flushed', 'nothing', 'filtered'] as const;
export const KINDS = ['read', 'write', 'invalidate', 'other'] as const;
const KIND_OF = spec.commands as Readonly<Record<string, string>>;

/* A moment: what is at present, and what was in the time before it, in a second. Undefined where it cannot be known. */
export type Point = Readonly<Record<string, number | undefined>>;

export interface Watch {
  readonly times: readonly number[]; /* in seconds */
  readonly points: readonly Point[];
  readonly now: Scrape | undefined;
  readonly problem: Problem | undefined;
}

let state: Watch = { times: [], points: [], now: undefined, problem: undefined };
let before: { scrape: Scrape; atMs: number; buckets: Bucket[] } | undefined;
let timer = 0;
let asking: AbortController | undefined;
const listeners = new Set<() => void>();

function kinds(scrape: Scrape): Record<string, number> {
  const sums: Record<string, number> = { read: 0, write: 0, invalidate: 0, other: 0 };
  for (const [command, calls] of byLabel(scrape, 'strata_command_calls_total', 'command')) {
    const kind = KIND_OF[command] ?? 'other';
    sums[kind] = (sums[kind] ?? 0) + calls;
  }
  return sums;
}

function pointOf(then: Scrape, now: Scrape, seconds: number, buckets: readonly Bucket[]): Point {
  const point: Record<string, number | undefined> = {};
  const kindsThen = kinds(then);
  for (const [kind, calls] of Object.entries(kinds(now))) point[`rate_${kind}`] = rate(kindsThen[kind], calls, seconds);
  point['rate_all'] = rate(sampleOf(then, 'strata_commands_total'), sampleOf(now, 'strata_commands_total'), seconds);
  const hits = rate(sampleOf(then, 'strata_hits_total'), sampleOf(now, 'strata_hits_total'), seconds);
  const misses = rate(sumOf(then, 'strata_misses_total'), sumOf(now, 'strata_misses_total'), seconds);
  point['hit_ratio'] = ratio(hits, misses);
  for (const cause of CAUSES) {
    const wanted = { cause };
    point[`miss_${cause}`] = rate(sampleOf(then, 'strata_misses_total', wanted), sampleOf(now, 'strata_misses_total', wanted), seconds);
  }
  for (const why of ['expired', 'evicted', 'invalidated']) {
    point[`gone_${why}`] = rate(sampleOf(then, 'strata_removed_total', { why }), sampleOf(now, 'strata_removed_total', { why }), seconds);
  }
  point['p50'] = percentile(buckets, 0.5);
  point['p99'] = percentile(buckets, 0.99);
  point['p999'] = percentile(buckets, 0.999);
  for (const [store, bytes] of byLabel(now, 'strata_store_bytes', 'store')) point[`store_${store}`] = bytes;
  point['memory_limit'] = sampleOf(now, 'strata_memory_limit_bytes');
  point['connections'] = sampleOf(now, 'strata_connections');
  point['stream'] = rate(sampleOf(then, 'strata_stream_position'), sampleOf(now, 'strata_stream_position'), seconds);
  return point;
}

function take(scrape: Scrape): void {
  const atMs = performance.now();
  const buckets = bucketsOf(scrape, 'strata_command_duration_seconds');
  const started = (of: Scrape) => sampleOf(of, 'strata_start_time_seconds');
  let { times, points } = state;
  // After a restart, or a pause, what lies between is not known.
  if (before && started(before.scrape) === started(scrape)) {
    const passed = atMs - before.atMs;
    const point = passed > GAP_MS ? {} : pointOf(before.scrape, scrape, passed / 1000, bucketGrowth(before.buckets, buckets));
    times = [...times, Date.now() / 1000].slice(-POINTS_MAX);
    points = [...points, point].slice(-POINTS_MAX);
  }
  before = { scrape, atMs, buckets };
  state = { times, points, now: scrape, problem: undefined };
}

async function round(): Promise<void> {
  asking = new AbortController();
  const { signal } = asking;
  let refused = false;
  if (!document.hidden) {
    try {
      const answered = parseMetrics(await text('/metrics', signal));
      if (signal.aborted) return;
      take(answered);
    } catch (error) {
      if (signal.aborted) return;
      const problem = problemOf(error);
      refused = problem.isRefused || problem.status === 401;
      state = { ...state, problem };
    }
    for (const listener of listeners) listener();
  }
  if (listeners.size && !refused) timer = window.setTimeout(() => void round(), EVERY_MS);
}

function stop(): void {
  clearTimeout(timer);
  asking?.abort();
}

/* Whoever signs in as somebody else begins anew. */
export function forgetMetrics(): void {
  stop();
  state = { times: [], points: [], now: undefined, problem: undefined };
  before = undefined;
}

export function useMetrics(): Watch {
  const [, redraw] = useState(0);
  useEffect(() => {
    const listener = () => redraw(count => count + 1);
    listeners.add(listener);
    if (listeners.size === 1) void round();
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) stop();
    };
  }, []);
  return state;
}
