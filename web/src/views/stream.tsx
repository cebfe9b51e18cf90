/* The invalidation stream, live. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { type Problem, ask, problemOf } from '../api';
import { Badge, KeyLink, Notice, Panel, ProblemNotice } from '../parts/basics';
import { type Wire, shown } from '../lib/bytes';
import { EventReader } from '../lib/events';
import { clock, integer } from '../lib/format';
import { useTitle } from '../hooks';

const ROWS_MAX = 500;
const REDRAW_MS = 500; /* hundreds of rows are laid out each time */
const RETRY_MS = 2000;
const AGAIN_MS = 250; /* after an end by the server: of all streams when rights change */
const TYPES = ['invalidated', 'deleted', 'expired', 'evicted', 'flushed', 'tag', 'class', 'pattern', 'rules', 'gap'];
const OF_A_KEY = new Set(['invalidated', 'deleted', 'expired', 'evicted', 'written']);

interface Entry {
  readonly position: number; readonly kind: string; readonly name?: Wire; readonly time: number; readonly class?: Wire; readonly actor?: Wire; readonly client?: number;
  readonly command?: string; readonly trigger?: Wire; readonly path?: Wire; readonly reason?: Wire; readonly soft?: number;
}

interface Filter {
  readonly type: string;
  readonly prefix: string;
}

/* One subscription, that comes back where it was when it is lost. `stands`: whether it is there, and if not, why; an end by the server has no reason. */
async function follow(filter: Filter, signal: AbortSignal, got: (entries: Entry[]) => void, stands: (connected: boolean, problem?: Problem) => void): Promise<void> {
  let last = '';
  while (!signal.aborted) {
    let waitMs = RETRY_MS;
    try {
      const query = new URLSearchParams();
      if (filter.type) query.set('types', filter.type);
      if (filter.prefix) query.set('prefix', filter.prefix);
      const headers: Record<string, string> = { Accept: 'text/event-stream' };
      if (last) headers['Last-Event-ID'] = last;
      const response = await ask(`/v1/events?${query.toString()}`, { headers, signal });
      stands(true);
      const reader = new EventReader();
      const body = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      for (let piece = await body.read(); !piece.done; piece = await body.read()) {
        if (signal.aborted) return;
        const events = reader.read(piece.value);
        last = reader.lastId || last;
        if (events.length) got(events.map(event => JSON.parse(event.data) as Entry));
      }
      stands(false);
      waitMs = AGAIN_MS;
    } catch (error) {
      if (signal.aborted) return;
      const problem = problemOf(error);
      stands(false, problem);
      if (problem.isRefused || problem.status === 401 || problem.status === 400) return;
    }
    await new Promise(resolve => setTimeout(resolve, waitMs));
  }
}

function useStream(filter: Filter, paused: boolean) {
  const [entries, setEntries] = useState<readonly Entry[]>([]);
  const [count, setCount] = useState(0);
  const [problem, setProblem] = useState<Problem>();
  const [connected, setConnected] = useState(false);
  const waiting = useRef<Entry[]>([]);
  const seen = useRef(0);
  const clear = () => {
    waiting.current = [];
    seen.current = 0;
    setCount(0);
    setEntries([]);
  };
  useEffect(() => {
    const ended = new AbortController();
    setConnected(false);
    clear();
    void follow(filter, ended.signal, got => {
      seen.current += got.length;
      waiting.current = [...waiting.current, ...got].slice(-ROWS_MAX);
    }, (isThere, found) => {
      setProblem(found);
      setConnected(isThere);
    });
    return () => ended.abort();
  }, [filter.type, filter.prefix]);
  useEffect(() => {
    if (paused) return;
    const timer = setInterval(() => {
      setCount(seen.current);
      if (waiting.current.length === 0) return;
      const fresh = waiting.current;
      waiting.current = [];
      setEntries(before => [...[...fresh].reverse(), ...before].slice(0, ROWS_MAX));
    }, REDRAW_MS);
    return () => clearInterval(timer);
  }, [paused]);
  return { entries, count, problem, connected, clear };
}

function Row({ entry }: { entry: Entry }) {
  const name = entry.name;
  return (
    <tr>
      <td class="number">{entry.position}</td>
      <td>{clock(entry.time)}</td>
      <td><Badge kind={`kind-${entry.kind}`}>{entry.kind}</Badge>{entry.soft ? <span class="dim"> softly</span> : null}</td>
      <td>{name === undefined ? '–' : OF_A_KEY.has(entry.kind) ? <KeyLink name={name} /> : <code>{shown(name)}</code>}</td>
      <td>{entry.actor !== undefined ? shown(entry.actor) : entry.client ? `client ${entry.client}` : '–'}</td>
      <td>{entry.command?.replace('|', ' ') ?? '–'}</td>
      <td class="path">{entry.path !== undefined ? shown(entry.path) : entry.trigger !== undefined ? shown(entry.trigger) : ''}{entry.reason !== undefined ? ` – ${shown(entry.reason)}` : ''}</td>
    </tr>
  );
}

export function Stream() {
  useTitle('Stream');
  const [type, setType] = useState('');
  const [prefixText, setPrefixText] = useState('');
  const [prefix, setPrefix] = useState('');
  const [actor, setActor] = useState('');
  const [paused, setPaused] = useState(false);
  const { entries, count, problem, connected, clear } = useStream({ type, prefix }, paused);
  const wanted = actor.toLowerCase();
  const rows = wanted ? entries.filter(entry => shown(entry.actor ?? '').toLowerCase().includes(wanted)) : entries;
  const submit = (event: Event) => { event.preventDefault(); setPrefix(prefixText); };
  return (
    <>
      <h1>Invalidation stream</h1>
      <form class="row" onSubmit={submit}>
        <label>Kind <select value={type} onChange={event => setType(event.currentTarget.value)}><option value="">all</option>{TYPES.map(name => <option key={name} value={name}>{name}</option>)}</select></label>
        <label>Keys that begin with <input value={prefixText} size={14} spellcheck={false} autocomplete="off" onInput={event => setPrefixText(event.currentTarget.value)} /></label>
        <button type="submit">Apply</button>
        <label>Actor <input value={actor} size={12} spellcheck={false} autocomplete="off" onInput={event => setActor(event.currentTarget.value)} /></label>
        <button type="button" aria-pressed={paused} onClick={() => setPaused(!paused)}>{paused ? 'Go on' : 'Pause'}</button>
        <button type="button" onClick={clear}>Clear</button>
      </form>
      <ProblemNotice problem={problem} what="follow the stream (STREAM SUBSCRIBE, and every key for reading)" />
      <p class="dim"><Badge kind={connected ? 'good' : 'plain'}>{paused ? 'paused' : connected ? 'live' : 'not connected'}</Badge> {integer(count)} records; the last {ROWS_MAX} are shown, the newest first.</p>
      {connected && entries.length === 0 && <Notice>Nothing was invalidated since this page was opened.</Notice>}
      <Panel title="Records" wide>
        <div class="scroll tall" tabIndex={0} role="region" aria-label="Records of the stream">
          <table>
            <caption class="hidden">Records of the stream</caption>
            <thead><tr><th scope="col" class="number">Position</th><th scope="col">Time</th><th scope="col">Kind</th><th scope="col">What</th><th scope="col">Who</th><th scope="col">By</th><th scope="col">Path, reason</th></tr></thead>
            <tbody>{rows.map(entry => <Row key={`${entry.position}/${entry.kind}`} entry={entry} />)}</tbody>
          </table>
        </div>
      </Panel>
    </>
  );
}
