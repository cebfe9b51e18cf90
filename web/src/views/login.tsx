/* Who is there: a user and his password, or a token. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { type Method, type Problem, basic, bearer, command, problemOf, setAuthorization } from '../api';
import { Mark, ThemeSwitch } from '../parts/shell';
import { ProblemNotice, Notice } from '../parts/basics';
import { useTitle } from '../hooks';

/* The user's name; undefined where he may not even ask for it. Throws where nobody knows him. `as`: in place of who has signed in. */
export async function whoAmI(as?: string): Promise<string | undefined> {
  try {
    return await command<string>(['ACL', 'WHOAMI'], undefined, as);
  } catch (error) {
    const problem = problemOf(error);
    if (problem.isRight) return undefined;
    throw problem;
  }
}

interface Props {
  readonly why: string | undefined;
  readonly how?: Method | undefined; /* in what way he was signed in before, and as whom */
  readonly user?: string | undefined;
  readonly leave?: string | undefined; /* what is written on the button that leaves this; undefined: there is none */
  readonly onLeave: () => void;
  readonly onDone: (user: string | undefined) => void;
}

export function Login({ why, how: howBefore, user: userBefore, leave, onLeave, onDone }: Props) {
  useTitle('Sign in');
  const [how, setHow] = useState<Method>(howBefore ?? 'password');
  const [user, setUser] = useState(userBefore ?? 'default');
  const [secret, setSecret] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => first.current?.focus(), []);
  const choose = (method: Method) => {
    setHow(method);
    setSecret('');
    setProblem(undefined);
  };
  /* Who was in before is so until the server has said who comes now. */
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    const said = how === 'password' ? basic(user, secret) : bearer(secret);
    try {
      const name = await whoAmI(said);
      setAuthorization(said);
      onDone(name ?? (how === 'password' ? user : undefined));
    } catch (error) {
      setProblem(problemOf(error));
      setBusy(false);
    }
  };
  const knowsUser = how === 'token' || userBefore !== undefined;
  return (
    <main class="login" id="main">
      <form onSubmit={event => void submit(event)} class="panel">
        <div class="brand"><Mark /><span>Strata</span></div>
        <h1>Sign in</h1>
        {why && !problem && <Notice>{why}</Notice>}
        {problem && (problem.status === 401
          ? <Notice kind="error">{how === 'password' ? 'No user has this name and this password.' : 'This token is not known: it has ended, was revoked, or is not whole.'} The server says: {problem.message}</Notice>
          : <ProblemNotice problem={problem} what="sign in" />)}
        <fieldset>
          <legend>With</legend>
          <label><input type="radio" name="how" value="password" checked={how === 'password'} onChange={() => choose('password')} /> user and password</label>
          <label><input type="radio" name="how" value="token" checked={how === 'token'} onChange={() => choose('token')} /> token</label>
        </fieldset>
        {how === 'password' && <label>User <input name="user" ref={knowsUser ? null : first} autocomplete="username" value={user} spellcheck={false} onInput={event => setUser(event.currentTarget.value)} /></label>}
        <label>{how === 'password' ? 'Password' : 'Token'} <input name="secret" ref={knowsUser ? first : null} type="password" autocomplete={how === 'password' ? 'current-password' : 'off'} value={secret} onInput={event => setSecret(event.currentTarget.value)} /></label>
        <p class="dim">Kept in this tab until it is closed or you sign out.</p>
        {location.protocol === 'http:' && !/^(localhost|127\.|\[::1\])/.test(location.host) && <Notice kind="warning">This page came without TLS: whoever listens on the way reads what you type.</Notice>}
        <div class="buttons">{leave && <button type="button" onClick={onLeave}>{leave}</button>}<button type="submit" class="primary" disabled={busy || (how === 'token' && secret.trim() === '')}>Sign in</button></div>
        <ThemeSwitch />
      </form>
    </main>
  );
}
