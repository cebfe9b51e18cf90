/* The dashboard: one page, whose views are behind '#'. */
import { render } from 'preact';
import { useCallback, useEffect, useState } from 'preact/hooks';
import 'uplot/dist/uPlot.min.css';
import './style.css';
import { type Method, onExpired, problemOf, setAuthorization, signedInBy } from './api';
import { useTitle } from './hooks';
import { type Place, usePlace } from './router';
import { forgetMetrics } from './watch';
import { Notice } from './parts/basics';
import { Mark, Shell } from './parts/shell';
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

const ASK_AGAIN_MS = 5000;
const WITHOUT = 'Go on without';
const ENDED: Readonly<Record<Method | 'nothing', string>> = {
  token: 'You are not signed in any more: the token has ended, or was revoked.',
  password: 'You are not signed in any more: the password, or the user, was changed.',
  nothing: 'The server wants to know who you are now.',
};

/* `asking`: who one is; `in`: `user` is his name, as far as that may be known, and the server has not answered yet where `unheard`; `out`: he has to say it;
 * `shut`: nobody is let in from where he is. */
interface Session {
  readonly state: 'asking' | 'in' | 'out' | 'shut';
  readonly user?: string | undefined;
  readonly unheard?: boolean;
  readonly why?: string | undefined;
  readonly how?: Method | undefined; /* he was signed in */
  readonly leave?: string | undefined; /* he may go on without signing in */
}

/* Who one is without saying it, or by what was said before: where that does not hold any more, he is asked. */
async function begun(): Promise<Session> {
  const before = signedInBy();
  try {
    return { state: 'in', user: await whoAmI() };
  } catch (error) {
    const problem = problemOf(error);
    if (problem.code === 'DENIED') return { state: 'shut', why: problem.message };
    if (problem.status !== 401) return { state: 'in', unheard: !problem.isRefused };
    setAuthorization(undefined);
    return before ? { state: 'out', why: ENDED[before], how: before, leave: WITHOUT } : { state: 'out', why: 'This server wants to know who you are.' };
  }
}

function Shut({ why }: { why: string | undefined }) {
  useTitle('Not let in');
  return <main class="login" id="main"><div class="panel"><div class="brand"><Mark /><span>Strata</span></div><h1>The server lets nobody in from here</h1><Notice kind="error">{why}</Notice></div></main>;
}

function App() {
  const place = usePlace();
  const [session, setSession] = useState<Session>({ state: 'asking' });
  const begin = useCallback(async () => {
    const found = await begun();
    forgetMetrics();
    setSession(found);
  }, []);
  useEffect(() => {
    onExpired(() => setSession(before => {
      if (before.state !== 'in') return before;
      const how = signedInBy();
      setAuthorization(undefined);
      forgetMetrics();
      return { state: 'out', why: ENDED[how ?? 'nothing'], how, leave: how && WITHOUT, user: how === 'password' ? before.user : undefined };
    }));
    void begin();
  }, []);
  useEffect(() => {
    if (!session.unheard) return;
    const timer = setTimeout(() => void begun().then(found => setSession(now => (now === session ? found : now))), ASK_AGAIN_MS);
    return () => clearTimeout(timer);
  }, [session]);
  if (session.state === 'asking') return <p class="asking" role="status">Asking the server…</p>;
  if (session.state === 'shut') return <Shut why={session.why} />;
  if (session.state === 'out') {
    return <Login why={session.why} how={session.how} user={session.user} leave={session.leave} onLeave={() => void begin()} onDone={user => { forgetMetrics(); setSession({ state: 'in', user }); }} />;
  }
  const signOut = () => {
    setAuthorization(undefined);
    setSession({ state: 'asking' });
    void begin();
  };
  return (
    <Shell view={place.view} user={session.user} by={signedInBy()} onSignIn={() => setSession({ state: 'out', leave: 'Cancel' })} onSignOut={signedInBy() ? signOut : undefined}>
      <ViewOf place={place} />
    </Shell>
  );
}

render(<App />, document.getElementById('app')!);
