/* The rules as a drawing: what RULES GRAPH DOT answers, read, and laid out in layers from left to right. */

export interface Node {
  readonly id: string;
  readonly name: string;
  readonly event: boolean;
}

export interface Edge {
  readonly from: string;
  readonly to: string;
  readonly way: string; /* by what: key, tag, class, pattern */
  readonly soft: boolean;
  readonly derived: boolean;
}

export interface Graph {
  readonly nodes: readonly Node[];
  readonly edges: readonly Edge[];
}

const NODE = /^\s*(n\d+) \[shape=(box|oval), label="((?:[^"\\]|\\.)*)"\];$/;
const EDGE = /^\s*(n\d+) -> (n\d+) \[label="([^"]*)"(, style=dashed)?(, arrowhead=empty)?\];$/;

export function parseGraph(dot: string): Graph {
  const nodes: Node[] = [];
  const edges: Edge[] = [];
  for (const line of dot.split('\n')) {
    const node = NODE.exec(line);
    const edge = EDGE.exec(line);
    if (node) nodes.push({ id: node[1]!, name: node[3]!.replace(/\\(.)/g, '$1'), event: node[2] === 'oval' });
    else if (edge) edges.push({ from: edge[1]!, to: edge[2]!, way: edge[3]!, soft: edge[4] !== undefined, derived: edge[5] !== undefined });
  }
  return { nodes, edges };
}

export interface Cell {
  readonly layer: number;
  readonly row: number;
}

export type Placed = Node & Cell;

export interface Routed extends Edge {
  readonly by: readonly Cell[]; /* the cells that it passes between its ends: nothing else stands there */
}

export interface Layout {
  readonly nodes: readonly Placed[];
  readonly edges: readonly Routed[];
}

/* The longest way from a node that nothing leads to. Rules have no circles; should there be one, it ends with the number of nodes. */
function layersOf(graph: Graph): Map<string, number> {
  const layers = new Map(graph.nodes.map(node => [node.id, 0]));
  for (let turn = 0, moved = true; moved && turn < graph.nodes.length; turn++) {
    moved = false;
    for (const { from, to } of graph.edges) {
      const wanted = (layers.get(from) ?? 0) + 1;
      if (from !== to && (layers.get(to) ?? 0) < wanted && wanted < graph.nodes.length) {
        layers.set(to, wanted);
        moved = true;
      }
    }
  }
  return layers;
}

function mean(rows: readonly number[]): number | undefined {
  return rows.length ? rows.reduce((sum, row) => sum + row, 0) / rows.length : undefined;
}

/* Each edge as the steps from layer to layer that it is drawn in, by cells of its own. */
function chainsOf(graph: Graph, layers: ReadonlyMap<string, number>, columns: string[][]): string[][] {
  return graph.edges.map((edge, number) => {
    const chain = [edge.from];
    for (let layer = (layers.get(edge.from) ?? 0) + 1; layer < (layers.get(edge.to) ?? 0); layer++) {
      const id = `${number}:${layer}`;
      (columns[layer] ??= []).push(id);
      chain.push(id);
    }
    return [...chain, edge.to];
  });
}

/* Within each column by the middle of what stands at the other ends, a few times there and back: few lines cross then. */
function order(columns: string[][], chains: readonly (readonly string[])[]): Map<string, number> {
  const rows = new Map<string, number>();
  const before = new Map<string, string[]>();
  const behind = new Map<string, string[]>();
  const link = (of: Map<string, string[]>, id: string, other: string) => of.set(id, [...(of.get(id) ?? []), other]);
  for (const chain of chains) chain.slice(1).forEach((id, at) => { link(before, id, chain[at]!); link(behind, chain[at]!, id); });
  const number = () => columns.forEach(column => column.forEach((id, row) => rows.set(id, row)));
  number();
  for (let turn = 0; turn < 8; turn++) {
    const ends = turn % 2 ? behind : before;
    for (const column of turn % 2 ? [...columns].reverse() : columns) {
      const middle = new Map(column.map((id, row) => [id, mean((ends.get(id) ?? []).map(end => rows.get(end) ?? 0)) ?? row]));
      column.sort((a, b) => (middle.get(a) ?? 0) - (middle.get(b) ?? 0));
      number();
    }
  }
  return rows;
}

/* What has no edges stands below, not among the others. */
export function layOut(graph: Graph): Layout {
  const layers = layersOf(graph);
  const linked = new Set(graph.edges.flatMap(edge => [edge.from, edge.to]));
  const columns: string[][] = Array.from({ length: Math.max(-1, ...[...linked].map(id => layers.get(id) ?? 0)) + 1 }, () => []);
  for (const node of graph.nodes) if (linked.has(node.id)) columns[layers.get(node.id) ?? 0]!.push(node.id);
  const chains = chainsOf(graph, layers, columns);
  const rows = order(columns, chains);
  const below = Math.max(0, ...columns.map(column => column.length));
  const width = Math.max(1, columns.length);
  let alone = 0;
  const cellOf = (id: string): Cell => ({ layer: layers.get(id) ?? Number(id.split(':')[1]), row: rows.get(id) ?? 0 });
  const nodes = graph.nodes.map(node => (linked.has(node.id) ? { ...node, ...cellOf(node.id) } : { ...node, layer: alone % width, row: below + Math.floor(alone++ / width) }));
  return { nodes, edges: graph.edges.map((edge, number) => ({ ...edge, by: chains[number]!.slice(1, -1).map(cellOf) })) };
}
