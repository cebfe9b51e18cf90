/* What EXPLAIN tells, as sentences and as a list of the rest. */
import { bytes, duration } from './format';

export type Facts = Readonly<Record<string, unknown>>;

const TOLD = new Set(['summary', 'state', 'class', 'line', 'owner', 'tags', 'rule_tags', 'ttl_from', 'last_miss', 'last_miss_ago_ms', 'store']);

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

function shownFact(name: string, value: unknown): string {
  if (typeof value === 'number' && name.endsWith('_ms')) return duration(value / 1000);
  if (typeof value === 'number' && (name === 'size' || name.endsWith('_bytes'))) return bytes(value);
  if (Array.isArray(value)) return value.map(String).join(', ');
  return value === null ? 'none' : typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/* [name, value] of what no sentence has said. */
export function otherFacts(facts: Facts): [string, string][] {
  return Object.entries(facts).filter(([name]) => !TOLD.has(name)).map(([name, value]) =>
    [name.replace(/_(ms|bytes)$/, '').replace(/_/g, ' '), shownFact(name, value)]);
}
