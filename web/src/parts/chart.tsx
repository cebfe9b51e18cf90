/* A chart over time: lines, or areas on top of each other; under it, as text, what is at present. */
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { NONE } from '../lib/format';

export interface Line {
  readonly name: string;
  readonly colour: number; /* of the palette, 1 to 8 */
  readonly values: readonly (number | undefined)[];
  readonly dashed?: boolean; /* a limit: never part of a stack */
}

interface Props {
  readonly title: string;
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  readonly format: (value: number | undefined) => string;
  readonly stacked?: boolean;
  readonly max?: number;
  readonly binary?: boolean; /* marks at powers of two: bytes */
}

const HEIGHT = 170;
const MARK_WIDTH = 48; /* of a time below: half of the last one reaches beyond the plot */
const WINDOW_S = 300;
const WINDOW_MIN_S = 60;
const POWERS = Array.from({ length: 50 }, (_, at) => 2 ** at);

/* All that is known, from a minute on to five. */
function rangeOf(first: number | null, last: number | null): [number, number] {
  const end = last ?? Date.now() / 1000;
  return [end - Math.min(WINDOW_S, Math.max(WINDOW_MIN_S, end - (first ?? end))), end];
}

function tokens() {
  const style = getComputedStyle(document.documentElement);
  return (name: string) => style.getPropertyValue(name).trim();
}

/* Each line on top of those before it; the last one is at the top. */
function stack(lines: readonly Line[]): (number | null)[][] {
  const sums: number[] = [];
  return lines.map(line => line.values.map((value, at) => {
    if (value === undefined) return null;
    if (line.dashed) return value;
    sums[at] = (sums[at] ?? 0) + value;
    return sums[at]!;
  }));
}

function dataOf({ times, lines, stacked }: Props): uPlot.AlignedData {
  const values = stacked ? stack(lines) : lines.map(line => line.values.map(value => value ?? null));
  return [times as number[], ...values] as uPlot.AlignedData;
}

function optionsOf(props: Props, width: number): uPlot.Options {
  const token = tokens();
  const axis = { stroke: token('--dim'), font: `11px ${token('--font')}`, ticks: { show: false }, grid: { stroke: token('--grid'), width: 1 } };
  const series = props.lines.map(line => ({
    label: line.name,
    stroke: token(line.dashed ? '--limit' : `--line-${line.colour}`),
    width: line.dashed ? 1 : 1.6,
    ...(line.dashed ? { dash: [5, 4] } : {}),
    ...(props.stacked && !line.dashed ? { fill: token(`--area-${line.colour}`) } : {}),
    points: { show: false },
  }));
  const stackedCount = props.lines.filter(line => !line.dashed).length;
  const bands = props.stacked ? Array.from({ length: Math.max(0, stackedCount - 1) }, (_, at) => ({ series: [at + 2, at + 1] as [number, number] })) : [];
  return {
    width, height: HEIGHT, legend: { show: false }, padding: [10, MARK_WIDTH / 2, 0, 0], bands,
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    scales: {
      x: { range: (_, first, last) => rangeOf(first, last) },
      y: { range: (_, __, top) => [0, props.max ?? Math.max((top ?? 0) * 1.12, 1e-9)] },
    },
    series: [{}, ...series],
    axes: [
      { ...axis, space: 70, size: 26, values: (_, marks) => marks.map(mark => new Date(mark * 1000).toTimeString().slice(0, 8)) },
      { ...axis, size: 62, space: 34, ...(props.binary ? { incrs: POWERS } : {}), values: (_, marks) => marks.map(mark => props.format(mark)) },
    ],
  };
}

export function Chart(props: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const latest = useRef(props);
  latest.current = props;
  const shape = props.lines.map(line => line.name).join('|');

  useEffect(() => {
    const into = place.current!;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsOf(latest.current, Math.max(into.clientWidth, 120)), dataOf(latest.current), into);
    };
    draw();
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: Math.max(into.clientWidth, 120), height: HEIGHT }));
    resized.observe(into);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', draw);
    addEventListener('strata-theme', draw);
    return () => {
      resized.disconnect();
      dark.removeEventListener('change', draw);
      removeEventListener('strata-theme', draw);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [shape]);

  useEffect(() => plot.current?.setData(dataOf(props)), [props.times]);

  const now = (line: Line) => props.format(line.values[line.values.length - 1]);
  return (
    <figure class="chart">
      <figcaption>{props.title}</figcaption>
      <div class="plot" ref={place} aria-hidden="true" />
      <ul class="legend" aria-label={`${props.title}, at present`}>
        {props.lines.map(line => (
          <li key={line.name}><span class={`swatch ${line.dashed ? 'limit' : `line-${line.colour}`}`} aria-hidden="true" />{line.name} <b>{line.values.length ? now(line) : NONE}</b></li>
        ))}
      </ul>
    </figure>
  );
}
