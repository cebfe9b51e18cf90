/* A table that can be sorted by a click, or Enter, on the head of a column. */
import type { ComponentChildren } from 'preact';
import { useMemo, useState } from 'preact/hooks';

export interface Column<Row> {
  readonly name: string;
  readonly title: string;
  readonly number?: boolean;
  readonly value: (row: Row) => string | number | undefined; /* by which it is sorted; what is undefined stands at the end */
  readonly show?: (row: Row) => ComponentChildren;
  readonly fixed?: boolean; /* cannot be sorted by */
}

const ROWS_MAX = 500; /* as many as a browser draws again and again without stuttering */

function compare(a: string | number | undefined, b: string | number | undefined, down: boolean): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  const order = typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), 'en', { numeric: true });
  return down ? -order : order;
}

export function Table<Row>({ caption, columns, rows, id, sort, empty }: {
  caption: string; columns: readonly Column<Row>[]; rows: readonly Row[]; id: (row: Row) => string; sort?: string; empty: string;
}) {
  const [order, setOrder] = useState(sort ?? '');
  const down = order.startsWith('-');
  const by = columns.find(column => column.name === order.replace(/^-/, ''));
  const sorted = useMemo(() => (by ? [...rows].sort((a, b) => compare(by.value(a), by.value(b), down)) : rows), [rows, by, down]);
  const head = (column: Column<Row>) => {
    if (column.fixed) return column.title;
    const first = column.number ? `-${column.name}` : column.name;
    const other = column.number ? column.name : `-${column.name}`;
    const mark = by === column ? (down ? '▾' : '▴') : '';
    return <button type="button" class="sort" onClick={() => setOrder(order === first ? other : first)}>{column.title}{mark && <span class="mark" aria-hidden="true">{mark}</span>}</button>;
  };
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead><tr>
          {columns.map(column => (
            <th key={column.name} scope="col" class={column.number ? 'number' : ''} {...(by === column ? { 'aria-sort': down ? 'descending' as const : 'ascending' as const } : {})}>{head(column)}</th>
          ))}
        </tr></thead>
        <tbody>
          {sorted.slice(0, ROWS_MAX).map(row => (
            <tr key={id(row)}>
              {columns.map(column => <td key={column.name} class={column.number ? 'number' : ''}>{column.show ? column.show(row) : column.value(row) ?? '–'}</td>)}
            </tr>
          ))}
          {sorted.length > ROWS_MAX && <tr><td class="empty" colSpan={columns.length}>and {sorted.length - ROWS_MAX} more, which are not shown</td></tr>}
          {sorted.length === 0 && <tr><td class="empty" colSpan={columns.length}>{empty}</td></tr>}
        </tbody>
      </table>
    </div>
  );
}
