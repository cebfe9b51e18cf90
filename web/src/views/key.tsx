/* One key: its value, what the server knows of it, and making it go. */
import { useState } from 'preact/hooks';
import { type Problem, ask, command, json, keyPath, problemOf } from '../api';
import { Badge, Confirm, Facts, Notice, Panel, ProblemNotice } from '../parts/basics';
import { type Facts as Explained, fateOf, otherFacts, sentencesOf } from '../lib/explain';
import { type Wire, hexDump, percentDecode, prettyJson, shown, textOf, wireOf } from '../lib/bytes';
import { bytes, duration, integer } from '../lib/format';
import { usePolled, useTitle } from '../hooks';

const SHOWN_MAX = 64 * 1024;

interface Value {
  readonly bytes: Uint8Array;
  readonly size: number;
}

/* The first bytes, whatever the size: the rest stays where it is. */
async function loadValue(key: Wire, signal: AbortSignal): Promise<Value | undefined> {
  try {
    const response = await ask(keyPath('keys', key), { headers: { Accept: 'application/octet-stream', Range: `bytes=0-${SHOWN_MAX - 1}` }, signal });
    const read = new Uint8Array(await response.arrayBuffer());
    const whole = /\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1];
    return { bytes: read, size: whole ? Number(whole) : read.length };
  } catch (error) {
    const problem = problemOf(error);
    if (problem.status === 404) return undefined;
    if (problem.status === 416) return { bytes: new Uint8Array(), size: 0 };
    throw error;
  }
}

function ValueView({ value }: { value: Value }) {
  const [cut] = [value.size > value.bytes.length];
  const text = textOf(value.bytes) ?? (cut ? textOf(value.bytes.subarray(0, -4)) : undefined);
  const pretty = !cut && text !== undefined ? prettyJson(text) : undefined;
  const [chosen, setChosen] = useState<string>();
  const forms = [...(pretty !== undefined ? ['JSON'] : []), ...(text !== undefined ? ['Text'] : []), 'Hex'];
  const form = chosen && forms.includes(chosen) ? chosen : forms[0]!;
  return (
    <>
      <div class="row" role="group" aria-label="Shown as">
        {forms.map(name => <button type="button" key={name} aria-pressed={name === form} onClick={() => setChosen(name)}>{name}</button>)}
        <span class="dim">{bytes(value.size)}{cut ? `, of which ${bytes(value.bytes.length)} are shown` : ''}</span>
      </div>
      <pre class="value" tabIndex={0} aria-label="Value">{form === 'JSON' ? pretty : form === 'Text' ? text : hexDump(value.bytes.subarray(0, 8192))}</pre>
    </>
  );
}

interface Planned {
  readonly kind: string; readonly what: Wire; readonly entries: number | null; readonly line: number; readonly because: Wire | null; readonly soft: number;
}

function Invalidate({ name, onDone, onClose }: { name: Wire; onDone: (said: string) => void; onClose: () => void }) {
  const plan = usePolled(signal => command<Planned[]>(['INVALIDATE', 'KEY', name, 'DRYRUN'], signal), 0);
  const [problem, setProblem] = useState<Problem>();
  const confirm = async () => {
    try {
      const count = await command<number>(['INVALIDATE', 'KEY', name, 'REASON', 'dashboard']);
      onDone(`Invalidated: ${integer(count)} ${count === 1 ? 'entry is' : 'entries are'} gone.`);
    } catch (error) {
      setProblem(problemOf(error));
    }
  };
  return (
    <Confirm title={`Invalidate ${shown(name)}?`} action="Invalidate" disabled={!plan.value} onConfirm={() => void confirm()} onClose={onClose}>
      <p>This goes, and whoever follows the stream is told:</p>
      <ProblemNotice problem={plan.problem} what="invalidate this key" />
      {plan.value && <ul class="plan">{plan.value.map(step => (
        <li key={`${step.kind}/${shown(step.what)}`}>{step.kind.replace('_', ' ')} <code>{shown(step.what)}</code> – {step.entries === null ? 'not yours to count' : `${integer(step.entries)} ${step.entries === 1 ? 'entry' : 'entries'}`}
          {step.soft ? ', softly' : ''}{step.because !== null && step.line ? `, because of ${shown(step.because)} (line ${step.line})` : ''}</li>
      ))}</ul>}
      <ProblemNotice problem={problem} what="invalidate this key" />
    </Confirm>
  );
}

function Delete({ name, onDone, onClose }: { name: Wire; onDone: (said: string) => void; onClose: () => void }) {
  const [problem, setProblem] = useState<Problem>();
  const confirm = async () => {
    try {
      await json<void>(keyPath('keys', name), { method: 'DELETE' });
      onDone('Deleted.');
    } catch (error) {
      const found = problemOf(error);
      if (found.status === 404) onDone('It was gone already.');
      else setProblem(found);
    }
  };
  return (
    <Confirm title={`Delete ${shown(name)}?`} action="Delete" disabled={problem?.isRefused ?? false} onConfirm={() => void confirm()} onClose={onClose}>
      <p>What depends on it by the rules goes too. This cannot be undone.</p>
      <ProblemNotice problem={problem} what="delete this key" />
    </Confirm>
  );
}

export function Explanation({ facts }: { facts: Explained }) {
  const state = String(facts['state'] ?? '');
  const fate = fateOf(facts);
  return (
    <>
      <p><Badge kind={state === 'present' ? 'good' : state === 'stale' ? 'busy' : 'plain'}>{state}</Badge>{fate && <> <Badge kind={`kind-${fate}`}>{fate}</Badge></>}</p>
      {sentencesOf(facts).map(sentence => <p key={sentence} class="sentence">{sentence}</p>)}
      <Facts rows={otherFacts(facts)} />
    </>
  );
}

export function explain(name: Wire, signal: AbortSignal): Promise<Explained> {
  return json<Explained>(keyPath('explain', name), { signal });
}

export function KeyPage({ code }: { code: string }) {
  const decoded = percentDecode(code);
  const name = decoded ? wireOf(decoded) : '';
  useTitle(shown(name));
  const [asked, setAsked] = useState<'invalidate' | 'delete'>();
  const [said, setSaid] = useState<string>();
  const explained = usePolled(signal => explain(name, signal), 5000, [code]);
  const value = usePolled(async signal => ({ found: await loadValue(name, signal) }), 0, [code]);
  const done = (text: string) => {
    setSaid(text);
    setAsked(undefined);
    explained.again();
    value.again();
  };
  const facts = explained.value;
  const isThere = facts === undefined || facts['state'] !== 'absent';
  if (!decoded) return <Notice kind="error">This address names no key.</Notice>;
  return (
    <>
      <h1 class="keyname">{shown(name)}</h1>
      <div class="row">
        <button type="button" disabled={!isThere} onClick={() => setAsked('invalidate')}>Invalidate…</button>
        <button type="button" disabled={!isThere} onClick={() => setAsked('delete')}>Delete…</button>
        <button type="button" onClick={() => { explained.again(); value.again(); }}>Read again</button>
        {facts && typeof facts['ttl_ms'] === 'number' && <span class="dim">expires in {duration(facts['ttl_ms'] / 1000)}</span>}
      </div>
      {said && <Notice>{said}</Notice>}
      <div class="columns">
        <Panel title="Value">
          <ProblemNotice problem={value.problem} what="read this value (CGET)" />
          {value.value && (value.value.found ? <ValueView value={value.value.found} /> : <p class="dim">There is none.</p>)}
        </Panel>
        <Panel title="What is known of it">
          <ProblemNotice problem={explained.problem} what="have keys explained (EXPLAIN)" />
          {facts && <Explanation facts={facts} />}
        </Panel>
      </div>
      {asked === 'invalidate' && <Invalidate name={name} onDone={done} onClose={() => setAsked(undefined)} />}
      {asked === 'delete' && <Delete name={name} onDone={done} onClose={() => setAsked(undefined)} />}
    </>
  );
}
