/* Small things that views are made of. Everything from the server is a text node. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { Problem } from '../api';
import { type Wire, bytesOf, percentEncode, shown } from '../lib/bytes';

export function Notice({ kind = 'info', children }: { kind?: 'info' | 'warning' | 'error'; children: ComponentChildren }) {
  return <div class={`notice ${kind}`} role={kind === 'error' ? 'alert' : 'status'}>{children}</div>;
}

/* What is missing, said so that an administrator can give it. */
export function ProblemNotice({ problem, what }: { problem: Problem | undefined; what: string }) {
  if (!problem) return null;
  if (problem.isRight) {
    return <Notice kind="warning"><strong>You have no right to {what}.</strong> The server says: {problem.message}</Notice>;
  }
  return <Notice kind="error"><strong>{problem.status === 0 ? 'No answer' : `Error ${problem.status}`}.</strong> {problem.message}</Notice>;
}

export function Panel({ title, children, actions, wide }: { title: string; children: ComponentChildren; actions?: ComponentChildren; wide?: boolean }) {
  return (
    <section class={wide ? 'panel wide' : 'panel'} aria-label={title}>
      <header><h2>{title}</h2>{actions && <div class="actions">{actions}</div>}</header>
      {children}
    </section>
  );
}

export function KeyLink({ name }: { name: Wire }) {
  return <a class="key" href={`#/key/${percentEncode(bytesOf(name))}`}>{shown(name)}</a>;
}

export function Badge({ kind, children }: { kind: string; children: ComponentChildren }) {
  return <span class={`badge ${kind}`}>{children}</span>;
}

export function Facts({ rows }: { rows: readonly (readonly [string, ComponentChildren])[] }) {
  return <dl class="facts">{rows.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

/* How much of a whole: a bar with the same in words beside it. */
export function Meter({ part, text }: { part: number | undefined; text: string }) {
  const width = Math.max(0, Math.min(1, part ?? 0)) * 100;
  return (
    <span class="meter">
      <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        <rect class="track" width="100" height="8" /><rect class={width > 95 ? 'fill full' : 'fill'} width={width} height="8" />
      </svg>
      <span>{text}</span>
    </span>
  );
}

/* A question before something that cannot be undone. Escape and the first button leave it. */
export function Confirm({ title, children, action, danger = true, disabled = false, onConfirm, onClose }: {
  title: string; children: ComponentChildren; action: string; danger?: boolean; disabled?: boolean; onConfirm: () => void; onClose: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const shownDialog = dialog.current;
    shownDialog?.showModal();
    return () => shownDialog?.close();
  }, []);
  return (
    <dialog ref={dialog} onCancel={event => { event.preventDefault(); onClose(); }} aria-labelledby="dialog-title">
      <h2 id="dialog-title">{title}</h2>
      {children}
      <div class="buttons">
        <button type="button" onClick={onClose}>Cancel</button>
        <button type="button" class={danger ? 'danger' : 'primary'} disabled={disabled} onClick={onConfirm}>{action}</button>
      </div>
    </dialog>
  );
}
