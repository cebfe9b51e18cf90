/* Which keys there are: the busiest, and those that match. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { command, json, problemOf, type Problem } from '../api';
import { KeyLink, Panel, ProblemNotice } from '../parts/basics';
import { Table, type Column } from '../parts/table';
import { type Wire, bytesOf, percentEncode, shown } from '../lib/bytes';
import { percent, perSecond } from '../lib/format';
import { type Place, go, replaceQuery } from '../router';
import { usePolled, useTitle } from '../hooks';

interface Hot {
  readonly key: Wire; readonly size: number; readonly database: number; readonly class: Wire | null;
  readonly rate: number; readonly reads: number; readonly writes: number; readonly misses: number; readonly share: number;
}

const HOT: readonly Column<Hot>[] = [
  { name: 'key', title: 'Key', value: row => shown(row.key), show: row => <KeyLink name={row.key} /> },
  { name: 'class', title: 'Class', value: row => (row.class === null ? undefined : shown(row.class)) },
  { name: 'rate', title: 'Uses', number: true, value: row => row.rate, show: row => perSecond(row.rate) },
  { name: 'reads', title: 'Reads', number: true, value: row => row.reads, show: row => perSecond(row.reads) },
  { name: 'writes', title: 'Writes', number: true, value: row => row.writes, show: row => perSecond(row.writes) },
  { name: 'misses', title: 'Misses', number: true, value: row => row.misses, show: row => perSecond(row.misses) },
  { name: 'share', title: 'Of all', number: true, value: row => row.share, show: row => percent(row.share) },
];

const PAGE = 100;
const STEPS_MAX = 20; /* a step looks at some hundred keys: what is rarer is found by going on */

interface Found {
  readonly keys: readonly Wire[];
  readonly cursor: string | null;
}

/* Until a page is full, the end is there, or enough was looked at. */
async function search(query: string, cursor: string | null): Promise<Found> {
  const keys: Wire[] = [];
  let at = cursor;
  for (let step = 0; step < STEPS_MAX && keys.length < PAGE; step++) {
    const found = await json<{ keys: Wire[]; cursor: string | null }>(`/v1/keys?${query}&limit=200${at ? `&cursor=${encodeURIComponent(at)}` : ''}`);
    keys.push(...found.keys);
    at = found.cursor;
    if (at === null) break;
  }
  return { keys, cursor: at };
}

function useSearch(how: string, text: string) {
  const [found, setFound] = useState<Found>();
  const [problem, setProblem] = useState<Problem>();
  const [busy, setBusy] = useState(false);
  const turn = useRef(0);
  const query = `${how}=${encodeURIComponent(text)}`;
  const more = async (before: Found | undefined) => {
    const mine = ++turn.current;
    setBusy(true);
    try {
      const next = await search(query, before?.cursor ?? null);
      if (mine !== turn.current) return;
      setFound({ keys: [...(before?.keys ?? []), ...next.keys], cursor: next.cursor });
      setProblem(undefined);
    } catch (error) {
      if (mine === turn.current) setProblem(problemOf(error));
    }
    if (mine === turn.current) setBusy(false);
  };
  useEffect(() => {
    turn.current++;
    setFound(undefined);
    if (text !== '') void more(undefined);
  }, [query]);
  return { found, problem, busy, more };
}

function Search({ place }: { place: Place }) {
  const [how, setHow] = useState(place.query.has('match') ? 'match' : 'prefix');
  const [text, setText] = useState(place.query.get('match') ?? place.query.get('prefix') ?? '');
  const [asked, setAsked] = useState({ how, text });
  const { found, problem, busy, more } = useSearch(asked.how, asked.text);
  const submit = (event: Event) => {
    event.preventDefault();
    if (how === 'exact') {
      if (text !== '') go(`#/key/${percentEncode(bytesOf(text))}`);
      return;
    }
    replaceQuery('keys', { [how]: text });
    setAsked({ how, text });
  };
  return (
    <Panel title="Search" wide>
      <form class="row" onSubmit={submit} role="search">
        <label>Keys that <select value={how} onChange={event => setHow(event.currentTarget.value)}>
          <option value="prefix">begin with</option><option value="match">match the pattern</option><option value="exact">are exactly</option>
        </select></label>
        <input aria-label="What to search for" value={text} placeholder={how === 'match' ? 'user:*:cart' : 'user:'} spellcheck={false} autocomplete="off" onInput={event => setText(event.currentTarget.value)} />
        <button type="submit" class="primary">{how === 'exact' ? 'Open' : 'Search'}</button>
      </form>
      <ProblemNotice problem={problem} what="list keys (SCAN)" />
      {found && <p role="status" class="dim">{found.keys.length} {found.keys.length === 1 ? 'key' : 'keys'}{found.cursor === null ? '' : ', and there may be more'}</p>}
      {found && found.keys.length > 0 && <ul class="keys" tabIndex={0} aria-label="Keys that were found">{[...found.keys].sort((a, b) => shown(a).localeCompare(shown(b), 'en', { numeric: true })).map(key => <li key={percentEncode(bytesOf(key))}><KeyLink name={key} /></li>)}</ul>}
      {found && found.cursor !== null && <button type="button" disabled={busy} onClick={() => void more(found)}>{busy ? 'Searching…' : 'Go on'}</button>}
      {busy && !found && <p class="dim">Searching…</p>}
    </Panel>
  );
}

export function Keys({ place }: { place: Place }) {
  useTitle('Keys');
  const hot = usePolled(signal => command<Hot[]>(['HOTKEYS', 'GET', 20], signal), 5000);
  return (
    <>
      <h1>Keys</h1>
      <Search place={place} />
      <Panel title="Busiest keys" wide>
        <p class="dim">From samples that fade within a minute.</p>
        <ProblemNotice problem={hot.problem} what="see which keys are busy (HOTKEYS GET)" />
        {hot.value && <Table caption="Busiest keys" columns={HOT} rows={hot.value} id={row => `${row.database}/${percentEncode(bytesOf(row.key))}`} sort="-rate" empty="Nothing was busy in the last minute." />}
      </Panel>
    </>
  );
}
