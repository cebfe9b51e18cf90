/* Who is there: a user and his password, or a token. */
import { useState } from 'preact/hooks';
import { type Problem, basic, command, isSignedIn, problemOf, setAuthorization } from '../api';
import { Mark, ThemeSwitch } from '../parts/shell';
import { ProblemNotice, Notice } from '../parts/basics';
import { useTitle } from '../hooks';

/* The user's name; undefined where he may not even ask for it. Throws where nobody knows him. */
export async function whoAmI(): Promise<string | undefined> {
  try {
    return await command<string>(['ACL', 'WHOAMI']);
  } catch (error) {
    const problem = problemOf(error);
    if (problem.isRefused) return undefined;
    throw problem;
  }
}

export function Login({ why, onDone, onCancel }: { why: string | undefined; onDone: (user: string | undefined) => void; onCancel: (() => void) | undefined }) {
  useTitle('Sign in');
  const [how, setHow] = useState('password');
  const [user, setUser] = useState('default');
  const [secret, setSecret] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setAuthorization(how === 'password' ? basic(user, secret) : `Bearer ${secret.trim()}`);
    try {
      onDone(await whoAmI() ?? (how === 'password' ? user : 'a token'));
    } catch (error) {
      setAuthorization(undefined);
      setProblem(problemOf(error));
      setBusy(false);
    }
  };
  return (
    <main class="login" id="main">
      <form onSubmit={event => void submit(event)} class="panel">
        <div class="brand"><Mark /><span>Strata</span></div>
        <h1>Sign in</h1>
        {why && !problem && <Notice>{why}</Notice>}
        {problem && (problem.status === 401 ? <Notice kind="error">That is not right: {problem.message}</Notice> : <ProblemNotice problem={problem} what="sign in" />)}
        <fieldset>
          <legend>With</legend>
          <label><input type="radio" name="how" checked={how === 'password'} onChange={() => setHow('password')} /> user and password</label>
          <label><input type="radio" name="how" checked={how === 'token'} onChange={() => setHow('token')} /> token</label>
        </fieldset>
        {how === 'password' && <label>User <input name="user" autocomplete="username" value={user} spellcheck={false} onInput={event => setUser(event.currentTarget.value)} /></label>}
        <label>{how === 'password' ? 'Password' : 'Token'} <input name="secret" type="password" autocomplete={how === 'password' ? 'current-password' : 'off'} value={secret} onInput={event => setSecret(event.currentTarget.value)} /></label>
        <p class="dim">Kept in this tab until it is closed or you sign out.</p>
        {location.protocol === 'http:' && !/^(localhost|127\.|\[::1\])/.test(location.host) && <Notice kind="warning">This page came without TLS: whoever listens on the way reads what you type.</Notice>}
        <div class="buttons">{onCancel && <button type="button" onClick={() => { if (isSignedIn()) setAuthorization(undefined); onCancel(); }}>Cancel</button>}<button type="submit" class="primary" disabled={busy}>Sign in</button></div>
        <ThemeSwitch />
      </form>
    </main>
  );
}
