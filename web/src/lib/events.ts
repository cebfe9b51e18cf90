/* Server-sent events as they arrive, in pieces of any size. */

export interface ServerEvent {
  readonly id: string;
  readonly kind: string;
  readonly data: string;
}

export class EventReader {
  private rest = '';
  private id = '';
  private kind = '';
  private data: string[] = [];

  /* The id of the last event: who comes back says it, and misses nothing. */
  get lastId(): string {
    return this.id;
  }

  read(piece: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    const lines = (this.rest + piece).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) this.line(line.endsWith('\r') ? line.slice(0, -1) : line, events);
    return events;
  }

  private line(line: string, into: ServerEvent[]): void {
    if (line === '') {
      if (this.data.length) into.push({ id: this.id, kind: this.kind || 'message', data: this.data.join('\n') });
      this.kind = '';
      this.data = [];
      return;
    }
    if (line[0] === ':') return;
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'id') this.id = value;
    else if (name === 'event') this.kind = value;
    else if (name === 'data') this.data.push(value);
  }
}
