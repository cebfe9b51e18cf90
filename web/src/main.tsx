/* The dashboard: one page, whose views are behind '#'. */
import { render } from 'preact';
import { useCallback, useEffect, useState } from 'preact/hooks';
import 'uplot/dist/uPlot.min.css';
import './style.css';
import { isSignedIn, onExpired, problemOf, setAuthorization } from './api';
import { type Place, usePlace } from './router';
import { forgetMetrics } from './watch';
import { Notice } from './parts/basics';
import { Shell } from './parts/shell';
import { Classes } from './views/classes';
import { Clients } from './views/clients';
import { Config } from './views/config';
import { Explain } from './views/explain';
import { KeyPage } from './views/key';
import { Keys } from './views/keys';
import { Login, whoAmI } from './views/login';
import { Overview } from './views/overview';
import { Rules } from './views/rules';
import { SlowLog } from './views/slowlog';
import { Stores } from './views/stores';
import { Stream } from './views/stream';

function ViewOf({ place }: { place: Place }) {
  switch (place.view) {
    case 'overview': return <Overview />;
    case 'keys': return <Keys key={place.query.toString()} place={place} />;
    case 'key': return <KeyPage key={place.rest} code={place.rest} />;
    case 'classes': return <Classes />;
    case 'rules': return <Rules />;
    case 'stream': return <Stream />;
    case 'explain': return <Explain key={place.query.toString()} place={place} />;
    case 'slowlog': return <SlowLog />;
    case 'clients': return <Clients />;
    case 'config': return <Config />;
    case 'stores': return <Stores />;
    default: return <><h1>There is no such page</h1><Notice>Choose one of the views.</Notice></>;
  }
}

type Session = { readonly state: 'asking' | 'in' | 'out'; readonly user?: string | undefined; readonly why?: string | undefined; readonly chosen?: boolean };

function App() {
  const place = usePlace();
  const [session, setSession] = useState<Session>({ state: 'asking' });
  const begin = useCallback(async () => {
    try {
      setSession({ state: 'in', user: await whoAmI() });
    } catch (error) {
      const problem = problemOf(error);
      if (problem.status === 401) setAuthorization(undefined);
      setSession(problem.status === 401 ? { state: 'out', why: 'This server wants to know who you are.' } : { state: 'in' });
    }
  }, []);
  useEffect(() => {
    onExpired(() => setSession(before => {
      if (before.state !== 'in') return before;
      setAuthorization(undefined);
      forgetMetrics();
      return { state: 'out', why: 'You are not signed in any more: the password or the rights have changed.' };
    }));
    void begin();
  }, []);
  if (session.state === 'asking') return <p class="asking" role="status">Asking the server…</p>;
  if (session.state === 'out') {
    return <Login why={session.why} onCancel={session.chosen ? () => void begin() : undefined} onDone={user => { forgetMetrics(); setSession({ state: 'in', user }); }} />;
  }
  const signOut = () => {
    setAuthorization(undefined);
    forgetMetrics();
    setSession({ state: 'asking' });
    void begin();
  };
  return (
    <Shell view={place.view} user={session.user} onSignIn={() => setSession({ state: 'out', chosen: true })} onSignOut={isSignedIn() ? signOut : undefined}>
      <ViewOf place={place} />
    </Shell>
  );
}

render(<App />, document.getElementById('app')!);
