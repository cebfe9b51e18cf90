/* The text that METRICS answers (OpenMetrics 1.0, and the older form of Prometheus), as samples by name. */

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

export type Scrape = ReadonlyMap<string, readonly Sample[]>;

const NO_LABELS: Labels = Object.freeze({});

/* `name="value",...`, in which values may have \\, \" and \n. Answers where the closing brace stands, or -1. */
function readLabels(line: string, from: number, into: Record<string, string>): number {
  let at = from;
  for (;;) {
    if (line[at] === '}') return at;
    const equals = line.indexOf('="', at);
    if (equals < 0) return -1;
    const name = line.slice(at, equals);
    let value = '';
    for (at = equals + 2; line[at] !== '"'; at++) {
      if (at >= line.length) return -1;
      if (line[at] === '\\') {
        at++;
        value += line[at] === 'n' ? '\n' : line[at];
      } else {
        value += line[at];
      }
    }
    into[name] = value;
    at++;
    if (line[at] === ',') at++;
  }
}

function readValue(text: string): number {
  if (text === '+Inf') return Infinity;
  if (text === '-Inf') return -Infinity;
  return text === '' ? NaN : Number(text);
}

/* Lines that are no samples are left out: what is unknown today may have a meaning tomorrow. */
export function parseMetrics(text: string): Scrape {
  const scrape = new Map<string, Sample[]>();
  for (const line of text.split('\n')) {
    if (line === '' || line[0] === '#') continue;
    const end = line.search(/[{ ]/);
    if (end <= 0) continue;
    const name = line.slice(0, end);
    let labels = NO_LABELS;
    let rest = end;
    if (line[end] === '{') {
      const read: Record<string, string> = {};
      rest = readLabels(line, end + 1, read) + 1;
      if (rest === 0) continue;
      labels = read;
    }
    const value = readValue(line.slice(rest).trim().split(' ')[0] ?? '');
    if (Number.isNaN(value)) continue;
    const samples = scrape.get(name);
    if (samples) samples.push({ labels, value });
    else scrape.set(name, [{ labels, value }]);
  }
  return scrape;
}

function fits(labels: Labels, wanted: Labels): boolean {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value);
}

/* Undefined where there is no such sample: what a server has not (a log, a tier) has none. */
export function sampleOf(scrape: Scrape, name: string, wanted: Labels = NO_LABELS): number | undefined {
  return scrape.get(name)?.find(sample => fits(sample.labels, wanted))?.value;
}

export function sumOf(scrape: Scrape, name: string, wanted: Labels = NO_LABELS): number | undefined {
  const samples = scrape.get(name)?.filter(sample => fits(sample.labels, wanted));
  return samples?.length ? samples.reduce((sum, sample) => sum + sample.value, 0) : undefined;
}

/* The samples of a name by the value of one label. */
export function byLabel(scrape: Scrape, name: string, label: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const sample of scrape.get(name) ?? []) {
    const key = sample.labels[label];
    if (key !== undefined) found.set(key, (found.get(key) ?? 0) + sample.value);
  }
  return found;
}
