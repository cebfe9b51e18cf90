/* The rules in force, drawn: what goes when something changes. */
import { useMemo, useState } from 'preact/hooks';
import { command, json, text } from '../api';
import { Facts, Notice, Panel, ProblemNotice } from '../parts/basics';
import { Table, type Column } from '../parts/table';
import { type Edge, type Graph, type Placed, type Routed, layOut, parseGraph } from '../lib/graph';
import { dateAndClock, integer } from '../lib/format';
import { usePolled, useTitle } from '../hooks';

const ROW = 58;
const BOX = 36;
const GAP = 90;
const LETTER = 7.3;
const MARGIN = 12;
const BOXES_MAX = 600;
const LINES_MAX = 2000;

interface Info {
  readonly classes: number; readonly edges: number; readonly events: number; readonly services: number;
  readonly source?: string; readonly time?: number; readonly last_load_status: string; readonly last_load_error: string;
}

function widthOf(node: Placed): number {
  return Math.max(90, node.name.length * LETTER + 26);
}

interface Drawn {
  readonly nodes: readonly (Placed & { x: number; y: number; width: number })[];
  readonly lines: readonly { edge: Edge; path: string }[];
  readonly width: number;
  readonly height: number;
}

/* From the right side of a box to the left side of another, level where it passes others. Several between the same two lie beside each other. */
function pathOf(edge: Routed, twin: number, boxes: ReadonlyMap<string, Drawn['nodes'][number]>, lefts: readonly number[], widths: readonly number[]): string {
  const from = boxes.get(edge.from)!;
  const to = boxes.get(edge.to)!;
  const middle = (row: number) => MARGIN + row * ROW + BOX / 2;
  const shift = twin * 9;
  let [x, y] = [from.x + from.width, middle(from.row) + shift];
  let path = `M${x} ${y}`;
  const curve = (x2: number, y2: number) => {
    const bend = Math.max(24, (x2 - x) / 2);
    path += `C${x + bend} ${y} ${x2 - bend} ${y2} ${x2} ${y2}`;
    [x, y] = [x2, y2];
  };
  for (const cell of edge.by) {
    curve(lefts[cell.layer]!, middle(cell.row));
    x += widths[cell.layer]!;
    path += `H${x}`;
  }
  curve(to.x - 3, middle(to.row) + shift);
  return path;
}

function draw(graph: Graph): Drawn {
  const layout = layOut(graph);
  const widths: number[] = [];
  for (const node of layout.nodes) widths[node.layer] = Math.max(widths[node.layer] ?? 0, widthOf(node));
  const lefts = widths.map((_, layer) => MARGIN + widths.slice(0, layer).reduce((sum, width) => sum + width + GAP, 0));
  const nodes = layout.nodes.map(node => ({ ...node, x: lefts[node.layer] ?? MARGIN, y: MARGIN + node.row * ROW, width: widthOf(node) }));
  const boxes = new Map(nodes.map(node => [node.id, node]));
  const known = layout.edges.filter(edge => boxes.has(edge.from) && boxes.has(edge.to));
  const twins = (edge: Edge, at: number) => known.slice(0, at).filter(other => other.from === edge.from && other.to === edge.to).length;
  return {
    nodes,
    lines: known.map((edge, at) => ({ edge, path: pathOf(edge, twins(edge, at), boxes, lefts, widths) })),
    width: Math.max(MARGIN * 2, ...nodes.map(node => node.x + node.width + MARGIN)),
    height: Math.max(MARGIN * 2, ...nodes.map(node => node.y + BOX + MARGIN)),
  };
}

/* What lies on the ways to and from a node. */
function around(graph: Graph, id: string): Set<string> {
  const found = new Set([id]);
  const walk = (ends: (edge: Edge) => [string, string]) => {
    const seen = new Set([id]);
    for (let grew = true; grew;) {
      grew = false;
      for (const edge of graph.edges) {
        const [from, to] = ends(edge);
        if (seen.has(from) && !seen.has(to)) {
          seen.add(to);
          grew = true;
        }
      }
    }
    seen.forEach(each => found.add(each));
  };
  walk(edge => [edge.from, edge.to]);
  walk(edge => [edge.to, edge.from]);
  return found;
}

function Drawing({ graph }: { graph: Graph }) {
  const drawn = useMemo(() => draw(graph), [graph]);
  const [chosen, setChosen] = useState<string>();
  const near = useMemo(() => (chosen ? around(graph, chosen) : undefined), [graph, chosen]);
  const toggle = (id: string) => setChosen(chosen === id ? undefined : id);
  return (
    <div class="scroll graph" tabIndex={0} role="region" aria-label="The rules as a drawing; the table below says the same">
      <svg width={drawn.width} height={drawn.height} viewBox={`0 0 ${drawn.width} ${drawn.height}`}>
        <defs>
          <marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 .5 7.5 4 0 7.5z" /></marker>
          <marker id="tip-open" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path class="open" d="M.7 1 7 4 .7 7z" /></marker>
        </defs>
        {drawn.lines.map(({ edge, path }) => {
          const faint = near !== undefined && !(near.has(edge.from) && near.has(edge.to));
          return <path key={path + edge.way} class={`edge ${edge.way}${edge.soft ? ' soft' : ''}${faint ? ' faint' : ''}`} d={path} marker-end={edge.derived ? 'url(#tip-open)' : 'url(#tip)'} />;
        })}
        {drawn.nodes.map(node => (
          <g key={node.id} class={`node${node.event ? ' event' : ''}${near && !near.has(node.id) ? ' faint' : ''}${chosen === node.id ? ' chosen' : ''}`} role="button" tabIndex={0} aria-pressed={chosen === node.id}
            aria-label={`${node.event ? 'event' : 'class'} ${node.name}`} onClick={() => toggle(node.id)}
            onKeyDown={event => { if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); toggle(node.id); } }}>
            <rect x={node.x} y={node.y} width={node.width} height={BOX} rx={node.event ? BOX / 2 : 6} />
            <text x={node.x + node.width / 2} y={node.y + BOX / 2 + 4.5} text-anchor="middle">{node.name}</text>
          </g>
        ))}
      </svg>
    </div>
  );
}

const WAYS: readonly (readonly [string, string, number])[] = [['key', 'one key', 4], ['tag', 'what bears a tag', 6], ['class', 'a whole class', 2], ['pattern', 'a pattern', 5]];

/* What the lines mean, of those that are drawn. */
function Legend({ graph }: { graph: Graph }) {
  const has = (is: (edge: Edge) => boolean) => graph.edges.some(is);
  return (
    <ul class="legend" aria-label="What the lines mean">
      {WAYS.filter(([way]) => has(edge => edge.way === way)).map(([way, words, colour]) => <li key={way}><span class={`swatch line-${colour}`} aria-hidden="true" />{words}</li>)}
      {has(edge => edge.soft) && <li><span class="swatch limit" aria-hidden="true" />dashed: softly, it is stale</li>}
      {has(edge => edge.derived) && <li>▷ open tip: derived</li>}
    </ul>
  );
}

function Edges({ graph }: { graph: Graph }) {
  const names = new Map(graph.nodes.map(node => [node.id, node.name]));
  const columns: readonly Column<Edge>[] = [
    { name: 'from', title: 'When this changes', value: row => names.get(row.from), show: row => <code>{names.get(row.from)}</code> },
    { name: 'to', title: 'this goes', value: row => names.get(row.to), show: row => <code>{names.get(row.to)}</code> },
    { name: 'way', title: 'found by', value: row => row.way },
    { name: 'soft', title: 'how', value: row => (row.soft ? 'softly: it is stale' : 'it is gone') },
    { name: 'derived', title: 'said by', value: row => (row.derived ? 'derives' : 'invalidates') },
  ];
  return <Table caption="Edges of the rules" columns={columns} rows={graph.edges} id={row => `${row.from}-${row.to}-${row.way}-${row.soft}-${row.derived}`} sort="from" empty="The rules have no edges." />;
}

export function Rules() {
  useTitle('Rules');
  const info = usePolled(signal => json<Info>('/v1/rules', { signal }), 10000);
  const loaded = info.value?.time;
  const dot = usePolled(signal => command<string | null>(['RULES', 'GRAPH', 'DOT'], signal), 0, [loaded]);
  const source = usePolled(signal => text('/v1/rules', signal), 0, [loaded]);
  const graph = useMemo(() => (dot.value ? parseGraph(dot.value) : undefined), [dot.value]);
  return (
    <>
      <h1>Rules</h1>
      <ProblemNotice problem={info.problem ?? dot.problem} what="see the rules (RULES GET, RULES INFO, RULES GRAPH)" />
      {info.value?.last_load_status === 'err' && <Notice kind="error">The last load failed, and changed nothing: {info.value.last_load_error}</Notice>}
      {info.value && <Facts rows={[['Classes', integer(info.value.classes)], ['Edges', integer(info.value.edges)], ['Events', integer(info.value.events)], ['Services', integer(info.value.services)],
        ['Loaded', loaded ? dateAndClock(loaded) : 'never'], ['By', info.value.source || '–']]} />}
      {dot.value === null && <Notice>No rules are loaded: Strata is a plain cache until it has some.</Notice>}
      {graph && (
        <>
          {graph.nodes.length <= BOXES_MAX && graph.edges.length <= LINES_MAX
            ? <Panel title="What goes when something changes" wide actions={<span class="dim">choose a box to see its ways</span>}><Drawing graph={graph} /><Legend graph={graph} /></Panel>
            : <Notice>These are too many to be drawn on a screen: <code>strata graph --format svg</code> draws them into a file.</Notice>}
          <Panel title="Edges" wide><Edges graph={graph} /></Panel>
        </>
      )}
      {source.value && <Panel title="Text" wide><pre class="value" tabIndex={0} aria-label="Text of the rules">{source.value}</pre></Panel>}
    </>
  );
}
