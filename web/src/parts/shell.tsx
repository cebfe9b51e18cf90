/* What stands around every view: where one can go, who one is, light or dark, and the keys of the keyboard. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { go } from '../router';
import type { Method } from '../api';
import { useTheme } from '../hooks';

export interface View {
  readonly name: string;
  readonly title: string;
  readonly key: string; /* behind `g` */
}

export const VIEWS: readonly View[] = [
  { name: 'overview', title: 'Overview', key: 'o' },
  { name: 'keys', title: 'Keys', key: 'k' },
  { name: 'classes', title: 'Classes', key: 'c' },
  { name: 'rules', title: 'Rules', key: 'r' },
  { name: 'stream', title: 'Stream', key: 's' },
  { name: 'explain', title: 'Explain', key: 'e' },
  { name: 'slowlog', title: 'Slow log', key: 'l' },
  { name: 'clients', title: 'Clients', key: 'u' },
  { name: 'config', title: 'Configuration', key: 'f' },
  { name: 'stores', title: 'Stores and tier', key: 't' },
];

const WITHIN_MS = 1500;

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

function useShortcuts(help: () => void): void {
  useEffect(() => {
    let began = 0;
    const pressed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector('dialog[open]')) return;
      const view = performance.now() - began < WITHIN_MS ? VIEWS.find(each => each.key === event.key) : undefined;
      began = event.key === 'g' ? performance.now() : 0;
      if (view) go(`#/${view.name}`);
      else if (event.key === '?') help();
      else if (event.key === '/') document.querySelector<HTMLInputElement>('main form[role=search] input')?.focus();
      else return;
      event.preventDefault();
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, [help]);
}

function Help({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} onCancel={event => { event.preventDefault(); onClose(); }} aria-labelledby="help-title">
      <h2 id="help-title">Keys of the keyboard</h2>
      <dl class="shortcuts">
        {VIEWS.map(view => <div key={view.name}><dt><kbd>g</kbd> <kbd>{view.key}</kbd></dt><dd>{view.title}</dd></div>)}
        <div><dt><kbd>/</kbd></dt><dd>Search, where there is one</dd></div>
        <div><dt><kbd>?</kbd></dt><dd>This list</dd></div>
      </dl>
      <div class="buttons"><button type="button" class="primary" onClick={onClose}>Close</button></div>
    </dialog>
  );
}

export function ThemeSwitch() {
  const [theme, setTheme] = useTheme();
  return (
    <label class="theme"><span>Colours</span> <select value={theme} onChange={event => setTheme(event.currentTarget.value)}>
      <option value="system">as the system</option><option value="light">light</option><option value="dark">dark</option>
    </select></label>
  );
}

export function Mark() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <path class="top" d="M16 5 27 11 16 17 5 11z" /><path class="middle" d="m5 16 11 6 11-6" /><path class="bottom" d="m5 21 11 6 11-6" />
    </svg>
  );
}

/* Whoever has said nothing is the user `default`, or the one that a certificate stands for. */
function Who({ user, by }: { user: string | undefined; by: Method | undefined }) {
  if (by) return user === undefined ? <>Signed in by a {by}</> : <>Signed in as <b>{user}</b> by a {by}</>;
  if (user === undefined) return <>Not signed in</>;
  return user !== 'default' && location.protocol === 'https:' ? <>Known as <b>{user}</b> by a certificate</> : <>Not signed in: <b>{user}</b></>;
}

export function Shell({ view, user, by, onSignIn, onSignOut, children }: {
  view: string; user: string | undefined; by: Method | undefined; onSignIn: () => void; onSignOut: (() => void) | undefined; children: ComponentChildren;
}) {
  const [help, setHelp] = useState(false);
  const [open, setOpen] = useState(false);
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  useShortcuts(() => setHelp(true));
  useEffect(() => {
    setOpen(false);
    // Who comes to another view by a key begins there, and screen readers say where that is.
    if (!first.current) main.current?.focus();
    first.current = false;
    scrollTo(0, 0);
  }, [view]);
  return (
    <>
      <a class="skip" href="#main" onClick={event => { event.preventDefault(); main.current?.focus(); }}>Skip to the content</a>
      <div class="shell">
        <header class="side">
          <div class="brand"><Mark /><span>Strata</span>
            <button type="button" class="menu" aria-expanded={open} aria-controls="views" onClick={() => setOpen(!open)}>Menu</button></div>
          <div id="views" class={open ? 'views open' : 'views'}>
            <nav aria-label="Views"><ul>{VIEWS.map(each => (
              <li key={each.name}><a href={`#/${each.name}`} aria-keyshortcuts={`g ${each.key}`} {...(each.name === view || (view === 'key' && each.name === 'keys') ? { 'aria-current': 'page' as const } : {})}>{each.title}</a></li>
            ))}</ul></nav>
            <div class="foot">
              <p class="who"><Who user={user} by={by} /></p>
              <div class="row"><button type="button" onClick={onSignIn}>Sign in…</button>{onSignOut && <button type="button" onClick={onSignOut}>Sign out</button>}</div>
              <ThemeSwitch />
              <div class="row"><button type="button" onClick={() => setHelp(true)}>Keyboard <kbd>?</kbd></button> <a href="/licenses.txt">Licences</a></div>
            </div>
          </div>
        </header>
        <main id="main" ref={main} tabIndex={-1}>{children}</main>
      </div>
      {help && <Help onClose={() => setHelp(false)} />}
    </>
  );
}
