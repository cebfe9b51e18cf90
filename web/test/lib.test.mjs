/* The pure parts, as they were compiled: node --test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bucketGrowth, bucketsOf, bytesOf, byLabel, duration, bytes, EventReader, growth, hexDump, isChanged, layOut, otherFacts, parseGraph, parseMetrics, percent, percentDecode,
  percentEncode, percentile, prettyJson, rate, ratio, sampleOf, sentencesOf, short, shown, sumOf, wireOf, fateOf } from '#lib';

const TEXT = `# TYPE strata_hits counter
# HELP strata_hits Reads.
strata_hits_total 12
strata_misses_total{cause="never_there"} 4
strata_misses_total{cause="expired"} 1.5e1
strata_odd{name="a\\"b\\\\c\\nd,e}f",other=""} 7 1795368205
strata_inf +Inf
broken{name="x
nonsense
strata_time_bucket{command="get",le="1e-06"} 10
strata_time_bucket{command="get",le="2.5e-06"} 30
strata_time_bucket{command="get",le="+Inf"} 40
strata_time_bucket{command="set",le="1e-06"} 0
strata_time_bucket{command="set",le="2.5e-06"} 5
strata_time_bucket{command="set",le="+Inf"} 5
# EOF
`;

test('samples are read with their labels', () => {
  const scrape = parseMetrics(TEXT);
  assert.equal(sampleOf(scrape, 'strata_hits_total'), 12);
  assert.equal(sampleOf(scrape, 'strata_misses_total', { cause: 'expired' }), 15);
  assert.equal(sumOf(scrape, 'strata_misses_total'), 19);
  assert.equal(sampleOf(scrape, 'strata_odd', { name: 'a"b\\c\nd,e}f', other: '' }), 7);
  assert.equal(sampleOf(scrape, 'strata_inf'), Infinity);
  assert.equal(sampleOf(scrape, 'strata_none'), undefined);
  assert.equal(sumOf(scrape, 'strata_none'), undefined);
  assert.deepEqual([...byLabel(scrape, 'strata_misses_total', 'cause')], [['never_there', 4], ['expired', 15]]);
  assert.equal(scrape.has('broken'), false);
  assert.equal(scrape.has('nonsense'), false);
});

test('rates bear a counter that begins anew, and no time', () => {
  assert.equal(growth(10, 25), 15);
  assert.equal(growth(100, 5), 5);
  assert.equal(rate(10, 30, 2), 10);
  assert.equal(rate(undefined, 30, 2), undefined);
  assert.equal(rate(1, 2, 0), undefined);
  assert.equal(ratio(3, 1), 0.75);
  assert.equal(ratio(0, 0), undefined);
});

test('percentiles lie within their bucket', () => {
  const buckets = bucketsOf(parseMetrics(TEXT), 'strata_time');
  assert.deepEqual(buckets, [{ edge: 1e-6, count: 10 }, { edge: 2.5e-6, count: 35 }, { edge: Infinity, count: 45 }]);
  assert.ok(Math.abs(percentile(buckets, 0.5) - (1e-6 + 1.5e-6 * 12.5 / 25)) < 1e-12);
  assert.equal(percentile(buckets, 0.99), 2.5e-6);
  assert.equal(percentile([], 0.5), undefined);
  assert.equal(percentile([{ edge: 1, count: 0 }], 0.5), undefined);
  assert.deepEqual(bucketsOf(parseMetrics(TEXT), 'strata_time', { command: 'set' }).map(b => b.count), [0, 5, 5]);
});

test('percentiles of evenly spread times are exact, at any seed', () => {
  const edges = [0.1, 0.25, 0.5, 1];
  const buckets = edges.map(edge => ({ edge, count: edge * 1000 }));
  for (const quantile of [0.01, 0.1, 0.3, 0.5, 0.77, 0.99, 1]) assert.ok(Math.abs(percentile(buckets, quantile) - quantile) < 1e-9);
});

test('what came between two readings is told, also over a restart', () => {
  const before = [{ edge: 1, count: 10 }, { edge: Infinity, count: 12 }];
  assert.deepEqual(bucketGrowth(before, [{ edge: 1, count: 15 }, { edge: Infinity, count: 18 }]), [{ edge: 1, count: 5 }, { edge: Infinity, count: 6 }]);
  assert.deepEqual(bucketGrowth(before, [{ edge: 1, count: 11 }, { edge: Infinity, count: 11 }]), [{ edge: 1, count: 11 }, { edge: Infinity, count: 11 }]);
  assert.deepEqual(bucketGrowth([], [{ edge: Infinity, count: 3 }]), [{ edge: Infinity, count: 3 }]);
});

test('numbers are written for people', () => {
  assert.deepEqual([0, 7, 999, 1234, 45678, 1e6].map(short), ['0', '7', '999', '1.23k', '45.7k', '1.00M']);
  assert.deepEqual([0, 512, 1024, 25165824].map(bytes), ['0 B', '512 B', '1.00 KiB', '24.0 MiB']);
  assert.deepEqual([0, 2.5e-7, 4.2e-5, 0.0123, 1.5, 600, 9000, 864000].map(duration), ['0 s', '250 ns', '42.0 µs', '12.3 ms', '1.50 s', '10.0 min', '2.50 h', '10.0 d']);
  assert.deepEqual([0, 0.5, 0.99999, 1, 1.52].map(percent), ['0 %', '50.0 %', '99.9 %', '100 %', '152.0 %']);
  assert.deepEqual([short(undefined), bytes(undefined), duration(undefined), percent(undefined)], ['–', '–', '–', '–']);
});

test('keys of any bytes pass through paths and JSON', () => {
  for (const name of ['user:7', 'a/b c?d#e%f', 'Grüße', '<img src=x onerror=alert(1)>', '..']) {
    const code = percentEncode(bytesOf(name));
    assert.match(code, /^[A-Za-z0-9\-._~%]*$/);
    assert.equal(wireOf(percentDecode(code)), name);
    assert.equal(decodeURIComponent(code), name);
  }
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  assert.deepEqual(percentDecode(percentEncode(all)), all);
  assert.deepEqual(bytesOf(wireOf(all)), all);
  assert.equal(percentDecode('%4'), undefined);
  assert.equal(percentDecode('%zz'), undefined);
});

test('nothing in a name is invisible', () => {
  assert.equal(shown('a\nb\u202ec'), 'a\\x0ab\\u202ec');
  assert.equal(shown({ base64: btoa('\xff\\x') }), '\\xff\\x5cx');
  assert.equal(hexDump(Uint8Array.from([0, 65, 255])), '00000000  00 41 ff                                          |.A.|');
  assert.equal(prettyJson('{"a":1}'), '{\n  "a": 1\n}');
  assert.equal(prettyJson('12'), undefined);
  assert.equal(prettyJson('{"a":'), undefined);
});

test('events are read in pieces of any size', () => {
  const text = 'retry: 1000\nid: r:1\n: here\n\nid: r:2\nevent: deleted\ndata: {"a":\ndata: 1}\n\r\n: heartbeat\n\nid: r:3\n\n';
  for (let size = 1; size <= text.length; size++) {
    const reader = new EventReader();
    const events = [];
    for (let at = 0; at < text.length; at += size) events.push(...reader.read(text.slice(at, at + size)));
    assert.deepEqual(events, [{ id: 'r:2', kind: 'deleted', data: '{"a":\n1}' }]);
    assert.equal(reader.lastId, 'r:3');
  }
});

const DOT = `digraph manifest {
  rankdir=LR;
  n0 [shape=box, label="user:{id}"];
  n1 [shape=box, label="odd \\"quoted\\\\"];
  n2 [shape=box, label="profile:{id}"];
  n3 [shape=oval, label="user.updated"];
  n4 [shape=box, label="alone"];
  n0 -> n1 [label="tag", style=dashed];
  n0 -> n2 [label="key", arrowhead=empty];
  n1 -> n2 [label="class", style=dashed, arrowhead=empty];
  n3 -> n0 [label="key"];
}
`;

test('the graph of the rules is read and laid out in layers', () => {
  const graph = parseGraph(DOT);
  assert.equal(graph.nodes.length, 5);
  assert.equal(graph.nodes[1].name, 'odd "quoted\\');
  assert.deepEqual(graph.edges[2], { from: 'n1', to: 'n2', way: 'class', soft: true, derived: true });
  const placed = new Map(layOut(graph).nodes.map(node => [node.name, node]));
  assert.equal(placed.size, 5);
  assert.deepEqual(['user.updated', 'user:{id}', 'odd "quoted\\', 'profile:{id}'].map(name => placed.get(name).layer), [0, 1, 2, 3]);
  for (const edge of graph.edges) {
    const of = id => [...placed.values()].find(node => node.id === id);
    assert.ok(of(edge.from).layer < of(edge.to).layer);
  }
  // From the first layer past the second to the third, and nothing stands where it passes.
  const long = layOut(parseGraph(DOT.replace('n3 -> n0', 'n0 -> n4 [label="key"];\n  n3 -> n4 [label="tag"];\n  n3 -> n0')));
  assert.equal(long.edges.find(edge => edge.way === 'tag' && edge.from === 'n3').by.length, 1);
  const cells = [...long.nodes, ...long.edges.flatMap(edge => edge.by)].map(({ layer, row }) => `${layer}/${row}`);
  assert.equal(new Set(cells).size, cells.length);
  assert.equal(new Set([...placed.values()].map(node => `${node.layer}/${node.row}`)).size, 5);
  assert.equal(layOut(parseGraph('')).nodes.length, 0);
  assert.equal(layOut(parseGraph('  n0 [shape=box, label="a"];\n  n0 -> n0 [label="key"];')).nodes.length, 1);
});

test('a setting is compared with its default', () => {
  const setting = { name: 'x', section: '', type: 'size', unit: '', fallback: '64mb', running: true, secret: false, choices: [], about: '' };
  assert.equal(isChanged(setting, '67108864'), false);
  assert.equal(isChanged(setting, '67108865'), true);
  assert.equal(isChanged({ ...setting, fallback: '50%' }, '1'), undefined);
  assert.equal(isChanged({ ...setting, type: 'duration', unit: 's', fallback: '1h' }, '3600'), false);
  assert.equal(isChanged({ ...setting, type: 'bool', fallback: 'yes' }, 'no'), true);
});

test('what EXPLAIN tells becomes sentences', () => {
  const facts = { state: 'present', summary: 'There.', class: 'a:{id}', line: 3, owner: 'web', tags: ['t'], rule_tags: ['=a:{id}'], ttl_ms: 1500, size: 2048, last_miss: 'never_there', last_miss_ago_ms: 3000 };
  assert.deepEqual(sentencesOf(facts), ['There.', 'Its class is a:{id}, line 3 of the rules; web owns it.', 'It bears the tag t.', 'The rules find it by =a:{id}.', 'It was missed last 3.00 s ago: never there.']);
  assert.deepEqual(otherFacts(facts), [['Time to live', '1.50 s'], ['Size', '2.00 KiB']]);
  assert.deepEqual(sentencesOf({ state: 'absent', summary: 'Gone.' }), ['Gone.', 'No class of the rules has this key.']);
});

test('what no sentence of EXPLAIN has said has names and values that people read', () => {
  const gone = { state: 'absent', summary: 'Invalidated.', what: 'invalidated', ago_ms: 2000, command: 'tag|invalidate', path: 'key a -> key b (line 3)', path_line: 3, soft: 1, some_new_fact: 7, store: 'default' };
  assert.deepEqual(otherFacts(gone), [['When', '2.00 s ago'], ['Command', 'TAG INVALIDATE'], ['Softly', 'yes'], ['Some new fact', '7'], ['Store', 'default']]);
  assert.equal(fateOf(gone), 'invalidated');
  assert.deepEqual(otherFacts({ state: 'absent', summary: 'Nothing is known of it.', what: 'never_there' }), []);
  assert.equal(fateOf({ state: 'absent', what: 'never_there' }), undefined);
  assert.equal(fateOf({ state: 'nothing', what: 'nothing' }), undefined);
  assert.deepEqual(otherFacts({ state: 'present', ttl_ms: -1, version: -5, queue: 'small' }), [['Time to live', 'without end'], ['Version', "-5, the cache's own"], ['Queue', 'small, of what is new or unused']]);
  assert.deepEqual(otherFacts({ state: 'present', version: 42, queue: 'main' }), [['Version', '42'], ['Queue', 'main, of what was used']]);
});
