/* Why is a key there, or not: for keys of any name, also of such as are gone. */
import { useState } from 'preact/hooks';
import { Notice, Panel, ProblemNotice } from '../parts/basics';
import { bytesOf, percentEncode } from '../lib/bytes';
import { type Place, replaceQuery } from '../router';
import { explain, Explanation } from './key';
import { usePolled, useTitle } from '../hooks';

function Answer({ name }: { name: string }) {
  const answer = usePolled(signal => explain(name, signal), 5000, [name]);
  return (
    <Panel title={`Key ${name}`} wide actions={<a href={`#/key/${percentEncode(bytesOf(name))}`}>Value and more</a>}>
      <ProblemNotice problem={answer.problem} what="have keys explained (EXPLAIN)" />
      {answer.value && <Explanation facts={answer.value} />}
    </Panel>
  );
}

export function Explain({ place }: { place: Place }) {
  useTitle('Explain');
  const [text, setText] = useState(place.query.get('key') ?? '');
  const [asked, setAsked] = useState(text);
  const submit = (event: Event) => {
    event.preventDefault();
    replaceQuery('explain', { key: text });
    setAsked(text);
  };
  return (
    <>
      <h1>Explain a key or a miss</h1>
      <form class="row" onSubmit={submit}>
        <label>Key <input value={text} placeholder="user:7" spellcheck={false} autocomplete="off" onInput={event => setText(event.currentTarget.value)} /></label>
        <button type="submit" class="primary" disabled={text === ''}>Explain</button>
      </form>
      {asked === '' ? <Notice>Name any key, also one that is gone: the server says what became of it, by whom, and when.</Notice> : <Answer name={asked} />}
    </>
  );
}
