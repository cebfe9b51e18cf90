/* What EXPLAIN tells, as sentences and as a list of the rest. */
import { bytes, duration } from './format';

export type Facts = Readonly<Record<string, unknown>>;

/* Of these a sentence tells, or a badge. */
const TOLD = new Set(['summary', 'state', 'what', 'class', 'line', 'owner', 'tags', 'rule_tags', 'ttl_from', 'last_miss', 'last_miss_ago_ms', 'path', 'path_line']);

const NAMES: Readonly<Record<string, string>> = {
  ttl_ms: 'Time to live', charged_bytes: 'Memory', segment_age_ms: 'Age of its segment', ago_ms: 'When', actor: 'Name', trigger: 'Began with', address: 'Address',
  pressure: 'For want of', warm_hits: 'Reads from the tier', warm_for_ms: 'In the tier for', stale_for_ms: 'Stale for', soft: 'Softly', lease_bound: 'Lease ends with its client',
};

const FLAGS = new Set(['soft', 'lease_bound']);
const QUEUES: Readonly<Record<string, string>> = { small: 'small, of what is new or unused', main: 'main, of what was used' };

function list(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function ago(value: unknown): string {
  return typeof value === 'number' ? ` ${duration(value / 1000)} ago` : '';
}

export function sentencesOf(facts: Facts): string[] {
  const said: string[] = [];
  if (facts['summary']) said.push(String(facts['summary']));
  if (facts['class']) {
    const line = facts['line'] ? `, line ${String(facts['line'])} of the rules` : '';
    const owner = facts['owner'] ? `; ${String(facts['owner'])} owns it` : '';
    said.push(`Its class is ${String(facts['class'])}${line}${owner}.`);
  } else if (facts['state']) {
    said.push('No class of the rules has this key.');
  }
  if (facts['ttl_from']) said.push(`Its time to live comes from ${String(facts['ttl_from'])}.`);
  const tags = list(facts['tags']);
  if (tags.length) said.push(`It bears the ${tags.length === 1 ? 'tag' : 'tags'} ${tags.join(', ')}.`);
  const rules = list(facts['rule_tags']);
  if (rules.length) said.push(`The rules find it by ${rules.join(', ')}.`);
  if (facts['last_miss']) said.push(`It was missed last${ago(facts['last_miss_ago_ms'])}: ${String(facts['last_miss']).replace(/_/g, ' ')}.`);
  return said;
}

function named(name: string): string {
  const words = name.replace(/_(ms|bytes)$/, '').replace(/_/g, ' ');
  return NAMES[name] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

function shownFact(name: string, value: unknown): string {
  if (name.endsWith('ago_ms')) return ago(value).trim();
  if (name === 'ttl_ms' && value === -1) return 'without end';
  if (name === 'version' && typeof value === 'number' && value < 0) return `${value}, the cache's own`;
  if (name === 'queue') return QUEUES[String(value)] ?? String(value);
  if (name.endsWith('command')) return String(value).replace('|', ' ').toUpperCase();
  if (FLAGS.has(name)) return value ? 'yes' : 'no';
  if (typeof value === 'number' && name.endsWith('_ms')) return duration(value / 1000);
  if (typeof value === 'number' && (name === 'size' || name.endsWith('_bytes'))) return bytes(value);
  if (Array.isArray(value)) return value.map(String).join(', ');
  return value === null ? 'none' : typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/* What became of a key that is not there, in a word; undefined where that is not known. */
export function fateOf(facts: Facts): string | undefined {
  const what = facts['what'];
  return typeof what === 'string' && !what.includes('never_there') && what !== facts['state'] ? what.replace(/_/g, ' ') : undefined;
}

/* [name, value] of what no sentence has said. */
export function otherFacts(facts: Facts): [string, string][] {
  return Object.entries(facts).filter(([name]) => !TOLD.has(name)).map(([name, value]) => [named(name), shownFact(name, value)]);
}
