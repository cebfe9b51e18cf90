/* The settings: what they are, which differ from their defaults, and which can be changed while the server runs. */
import { useState } from 'preact/hooks';
import { type Problem, json, problemOf } from '../api';
import { Badge, Confirm, Notice, Panel, ProblemNotice } from '../parts/basics';
import { Table, type Column } from '../parts/table';
import { type Setting, isChanged } from '../lib/settings';
import spec from '../../generated/spec.json';
import { usePolled, useTitle } from '../hooks';

const SETTINGS = new Map((spec.settings as readonly Setting[]).map(setting => [setting.name, setting]));

interface Row {
  readonly name: string;
  readonly value: string;
  readonly setting: Setting | undefined;
  readonly changed: boolean | undefined;
}

function Empty() {
  return <span class="dim">empty</span>;
}

function shownValue(row: Row): string {
  return row.setting?.secret && row.value !== '' ? '(hidden)' : row.value;
}

function Edit({ row, onDone, onClose }: { row: Row; onDone: (said: string) => void; onClose: () => void }) {
  const [value, setValue] = useState(row.setting?.secret ? '' : row.value);
  const [problem, setProblem] = useState<Problem>();
  const save = async () => {
    try {
      await json<void>('/v1/config', { method: 'PATCH', json: { [row.name]: value } });
      onDone(`${row.name} is changed, until the server ends. CONFIG REWRITE keeps it in the file.`);
    } catch (error) {
      setProblem(problemOf(error));
    }
  };
  const choices = row.setting?.type === 'bool' ? ['yes', 'no'] : row.setting?.choices ?? [];
  return (
    <Confirm title={`Change ${row.name}`} action="Change" danger={false} disabled={problem?.isRefused ?? false} onConfirm={() => void save()} onClose={onClose}>
      <p>{row.setting?.about}</p>
      <label>Value {choices.length && row.setting?.type !== 'list'
        ? <select value={value} onChange={event => setValue(event.currentTarget.value)}>{choices.map(choice => <option key={choice}>{choice}</option>)}</select>
        : <input type={row.setting?.secret ? 'password' : 'text'} value={value} spellcheck={false} autocomplete="off" onInput={event => setValue(event.currentTarget.value)} />}</label>
      <ProblemNotice problem={problem} what="change settings (CONFIG SET)" />
    </Confirm>
  );
}

export function Config() {
  useTitle('Configuration');
  const config = usePolled(signal => json<Record<string, string>>('/v1/config', { signal }), 0);
  const [text, setText] = useState('');
  const [only, setOnly] = useState('');
  const [edited, setEdited] = useState<Row>();
  const [said, setSaid] = useState<string>();
  const rows = Object.entries(config.value ?? {}).map(([name, value]): Row => {
    const setting = SETTINGS.get(name);
    return { name, value: String(value), setting, changed: setting ? isChanged(setting, String(value)) : undefined };
  });
  const wanted = text.toLowerCase();
  const fits = (row: Row) => (row.name.includes(wanted) || (row.setting?.about.toLowerCase().includes(wanted) ?? false)) && (only === '' || (only === 'changed' ? row.changed === true : row.setting?.running === true));
  const columns: readonly Column<Row>[] = [
    { name: 'name', title: 'Setting', value: row => row.name, show: row => <><code>{row.name}</code><span class="about">{row.setting?.about ?? 'another name of a setting'}</span></> },
    { name: 'value', title: 'Value', value: row => shownValue(row), show: row => (row.value === '' ? <Empty /> : <code class="long">{shownValue(row)}</code>) },
    { name: 'fallback', title: 'Default', value: row => row.setting?.fallback, show: row => (row.setting?.fallback === '' ? <Empty /> : <code class="long dim">{row.setting?.fallback ?? '–'}</code>) },
    { name: 'state', title: 'State', value: row => (row.changed ? 0 : 1), show: row => <>{row.changed && <Badge kind="busy">changed</Badge>} {row.setting && !row.setting.running && <Badge kind="plain">at the start only</Badge>}</> },
    { name: 'edit', title: 'Change', value: row => row.name, fixed: true, show: row => (row.setting?.running ? <button type="button" class="small" aria-label={`Change ${row.name}`} onClick={() => setEdited(row)}>Change…</button> : null) },
  ];
  return (
    <>
      <h1>Configuration</h1>
      <form class="row" role="search" onSubmit={event => event.preventDefault()}>
        <label>Search <input type="search" value={text} onInput={event => setText(event.currentTarget.value)} /></label>
        <label>Show <select value={only} onChange={event => setOnly(event.currentTarget.value)}><option value="">all settings</option><option value="changed">changed from the default</option><option value="running">those that can be changed now</option></select></label>
      </form>
      <ProblemNotice problem={config.problem} what="see the settings (CONFIG GET)" />
      {said && <Notice>{said}</Notice>}
      {config.value && <Panel title="Settings" wide><Table caption="Settings" columns={columns} rows={rows.filter(fits)} id={row => row.name} empty="No setting fits." /></Panel>}
      {edited && <Edit row={edited} onClose={() => setEdited(undefined)} onDone={text2 => { setSaid(text2); setEdited(undefined); config.again(); }} />}
    </>
  );
}
