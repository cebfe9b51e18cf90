/* Latencies of cumulative buckets, as METRICS has them. */
import type { Labels, Scrape } from './metrics';
import { growth } from './rates';

/* How many were at most so many seconds, in ascending order; the last edge is Infinity. */
export interface Bucket {
  readonly edge: number;
  readonly count: number;
}

/* The buckets of a histogram, those of all labels that fit added up. */
export function bucketsOf(scrape: Scrape, name: string, wanted: Labels = {}): Bucket[] {
  const counts = new Map<number, number>();
  for (const { labels, value } of scrape.get(name + '_bucket') ?? []) {
    const le = labels['le'];
    if (le === undefined || Object.entries(wanted).some(([label, text]) => labels[label] !== text)) continue;
    const edge = le === '+Inf' ? Infinity : Number(le);
    counts.set(edge, (counts.get(edge) ?? 0) + value);
  }
  return [...counts].map(([edge, count]) => ({ edge, count })).sort((a, b) => a.edge - b.edge);
}

/* What has come between two readings. A bucket that was not there before counted nothing. */
export function bucketGrowth(before: readonly Bucket[], now: readonly Bucket[]): Bucket[] {
  const earlier = new Map(before.map(({ edge, count }) => [edge, count]));
  const whole = now[now.length - 1]?.count ?? 0;
  const began = (before[before.length - 1]?.count ?? 0) > whole;
  return now.map(({ edge, count }) => ({ edge, count: began ? count : growth(earlier.get(edge) ?? 0, count) }));
}

/* The time, in seconds, that a part of all was within: `quantile` from 0 to 1. Within a bucket as if they were spread evenly; what is beyond the last
 * edge is told as that edge. Undefined: there was none. */
export function percentile(buckets: readonly Bucket[], quantile: number): number | undefined {
  const whole = buckets[buckets.length - 1]?.count ?? 0;
  if (whole <= 0) return undefined;
  const wanted = quantile * whole;
  let edge = 0;
  let below = 0;
  for (const bucket of buckets) {
    if (bucket.count >= wanted && bucket.count > below) {
      if (bucket.edge === Infinity) return edge;
      return edge + (bucket.edge - edge) * ((wanted - below) / (bucket.count - below));
    }
    edge = bucket.edge;
    below = Math.max(below, bucket.count);
  }
  return edge;
}
