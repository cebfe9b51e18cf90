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

export interface Placed extends Node {
  readonly layer: number;
  readonly row: number;
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

/* Within layers by the middle of what stands at the other ends of the edges, a few times there and back: few lines cross then. What has no edges stands at
 * the end, not among the others. */
export function layOut(graph: Graph): Placed[] {
  const layers = layersOf(graph);
  const linked = new Set(graph.edges.flatMap(edge => [edge.from, edge.to]));
  const columns: Node[][] = [];
  for (const node of graph.nodes) if (linked.has(node.id)) (columns[layers.get(node.id) ?? 0] ??= []).push(node);
  const rows = new Map<string, number>();
  const number = () => columns.forEach(column => column?.forEach((node, row) => rows.set(node.id, row)));
  number();
  for (let turn = 0; turn < 8; turn++) {
    const back = turn % 2 === 1;
    for (const column of back ? [...columns].reverse() : columns) {
      const middle = new Map(column?.map((node, row) => {
        const ends = graph.edges.flatMap(edge => (back ? edge.from === node.id && [edge.to] : edge.to === node.id && [edge.from]) || []);
        return [node.id, mean(ends.map(end => rows.get(end) ?? 0)) ?? row];
      }));
      column?.sort((a, b) => (middle.get(a.id) ?? 0) - (middle.get(b.id) ?? 0));
      number();
    }
  }
  const placed = columns.flatMap((column, layer) => (column ?? []).map((node, row) => ({ ...node, layer, row })));
  const below = Math.max(0, ...columns.map(column => column?.length ?? 0));
  const alone = graph.nodes.filter(node => !linked.has(node.id));
  const width = Math.max(1, columns.length);
  return [...placed, ...alone.map((node, index) => ({ ...node, layer: index % width, row: below + Math.floor(index / width) }))];
}
