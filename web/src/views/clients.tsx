/* Who is connected. */
import { useState } from 'preact/hooks';
import { type Problem, command, json, problemOf } from '../api';
import { Confirm, Notice, Panel, ProblemNotice } from '../parts/basics';
import { Table, type Column } from '../parts/table';
import { type Wire, shown } from '../lib/bytes';
import { bytes, duration, integer } from '../lib/format';
import { usePolled, useTitle } from '../hooks';

interface Client {
  readonly id: number; readonly addr: string; readonly name: Wire | number; readonly age: number; readonly idle: number; readonly user: Wire | number; readonly cmd: string;
  readonly 'tot-cmds': number; readonly 'tot-net-in': number; readonly 'tot-net-out': number; readonly 'tot-mem': number; readonly resp: number; readonly 'lib-name': Wire | number; readonly service?: Wire | number;
}

function word(value: Wire | number | undefined): string {
  return value === undefined ? '' : typeof value === 'number' ? String(value) : shown(value);
}

export function Clients() {
  useTitle('Clients');
  const clients = usePolled(signal => json<{ clients: Client[] }>('/v1/clients', { signal }), 3000);
  const [asked, setAsked] = useState<Client>();
  const [said, setSaid] = useState<string>();
  const [problem, setProblem] = useState<Problem>();
  const close = () => { setAsked(undefined); setProblem(undefined); };
  const kill = async (client: Client) => {
    try {
      const count = await command<number>(['CLIENT', 'KILL', 'ID', client.id]);
      setSaid(count ? `The connection of client ${client.id} was closed.` : `Client ${client.id} was gone already.`);
      close();
      clients.again();
    } catch (error) {
      setProblem(problemOf(error));
    }
  };
  const all: readonly Column<Client>[] = [
    { name: 'id', title: 'No.', number: true, value: row => row.id },
    { name: 'addr', title: 'Address', value: row => row.addr },
    { name: 'name', title: 'Name', value: row => word(row.name), show: row => word(row.name) || '–' },
    { name: 'service', title: 'Service', value: row => word(row.service), show: row => word(row.service) || '–' },
    { name: 'user', title: 'User', value: row => word(row.user) },
    { name: 'library', title: 'Library', value: row => word(row['lib-name']), show: row => word(row['lib-name']) || '–' },
    { name: 'age', title: 'Age', number: true, value: row => row.age, show: row => duration(row.age) },
    { name: 'idle', title: 'Idle', number: true, value: row => row.idle, show: row => duration(row.idle) },
    { name: 'cmd', title: 'Last', value: row => row.cmd, show: row => <code>{row.cmd.replace('|', ' ')}</code> },
    { name: 'commands', title: 'Commands', number: true, value: row => row['tot-cmds'], show: row => integer(row['tot-cmds']) },
    { name: 'in', title: 'Received', number: true, value: row => row['tot-net-in'], show: row => bytes(row['tot-net-in']) },
    { name: 'out', title: 'Sent', number: true, value: row => row['tot-net-out'], show: row => bytes(row['tot-net-out']) },
    { name: 'memory', title: 'Memory', number: true, value: row => row['tot-mem'], show: row => bytes(row['tot-mem']) },
    { name: 'end', title: 'End', value: row => row.id, fixed: true, show: row => <button type="button" class="small" aria-label={`Close the connection of client ${row.id}`} onClick={() => setAsked(row)}>Close…</button> },
  ];
  // A column in which all are alike takes the room of others.
  const told = (name: 'lib-name' | 'service' | 'user', usual: string) => clients.value?.clients.some(client => word(client[name]) !== usual);
  const columns = all.filter(({ name }) => (name !== 'library' || told('lib-name', '')) && (name !== 'service' || told('service', '')) && (name !== 'user' || told('user', 'default')));
  return (
    <>
      <h1>Clients</h1>
      <ProblemNotice problem={clients.problem} what="see who is connected (CLIENT LIST)" />
      {said && <Notice>{said}</Notice>}
      {clients.value && <Panel title={`${clients.value.clients.length} connections`} wide><Table caption="Clients" columns={columns} rows={clients.value.clients} id={row => String(row.id)} sort="-commands" empty="Nobody is connected." /></Panel>}
      {asked && (
        <Confirm title={`Close the connection of client ${asked.id}?`} action="Close the connection" disabled={problem?.isRefused ?? false} onConfirm={() => void kill(asked)} onClose={close}>
          <p>{asked.addr}{word(asked.name) ? `, named ${word(asked.name)}` : ''}. What it has asked for and not got yet is lost; most libraries connect again by themselves.</p>
          <ProblemNotice problem={problem} what="close connections (CLIENT KILL)" />
        </Confirm>
      )}
    </>
  );
}
