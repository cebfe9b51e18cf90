// As an application in Node uses the API: fetch, conditions, and a reader of events that goes on after a lost connection. Prints "good".
const [url] = process.argv.slice(2);

function check(what, good) {
  if (!good) throw new Error(what);
}

const put = (key, body, headers = {}) => fetch(`${url}/v1/keys/${encodeURIComponent(key)}`, { method: 'PUT', body, headers });

let answer = await put('user:7/ä', 'Ada', { 'cache-control': 'max-age=60', 'surrogate-key': 'team:1' });
check('created', answer.status === 201);
answer = await fetch(`${url}/v1/keys/${encodeURIComponent('user:7/ä')}`);
const etag = answer.headers.get('etag');
check('read', (await answer.text()) === 'Ada' && answer.headers.get('surrogate-key') === 'team:1');
check('compared', (await put('user:7/ä', 'Grace', { 'if-match': etag })).status === 204);
check('refused', (await put('user:7/ä', 'Linus', { 'if-match': etag })).status === 412);
answer = await fetch(`${url}/v1/keys/${encodeURIComponent('user:7/ä')}`, { headers: { accept: 'application/json' } });
check('as JSON', (await answer.json()).value === 'Grace');
const bytes = crypto.getRandomValues(new Uint8Array(65536));
check('bytes', (await put('bytes', bytes)).status === 201);
check('the same', Buffer.compare(Buffer.from(await (await fetch(`${url}/v1/keys/bytes`)).arrayBuffer()), Buffer.from(bytes)) === 0);

// An EventSource in a few lines.
async function* events(last) {
  const response = await fetch(`${url}/v1/events`, { headers: last ? { 'last-event-id': last } : {} });
  check('a stream', response.headers.get('content-type') === 'text/event-stream');
  let text = '';
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    text += piece;
    for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
      const event = Object.fromEntries(text.slice(0, end).split('\n').map(line => [line.split(': ', 1)[0], line.slice(line.indexOf(': ') + 2)]));
      yield event;
    }
  }
}

let last;
for await (const event of events()) {
  last = event.id;
  break;
}
answer = await fetch(`${url}/v1/invalidations`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ keys: ['user:7/ä'], tags: ['team:1'], reason: 'test' }) });
check('invalidated', answer.ok);
const kinds = [];
for await (const event of events(last)) {
  if (!event.data) continue;
  kinds.push(`${event.event} ${JSON.parse(event.data).name} ${JSON.parse(event.data).reason}`);
  if (kinds.length === 2) break;
}
check('missed nothing: ' + kinds, kinds[0] === 'invalidated user:7/ä test' && kinds[1] === 'tag team:1 test');
console.log('good');
process.exit(0);
