/* What views have in common: asking again and again, and only as long as somebody looks. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { type Problem, problemOf } from './api';

export interface Polled<T> {
  readonly value: T | undefined;
  readonly problem: Problem | undefined;
  readonly again: () => void;
}

/* Asks at once and then every `everyMs` (0: once), not in tabs that nobody sees, and never again after a right was found to be missing: the server would note
 * each refusal. `again` asks at once, whatever was before. */
export function usePolled<T>(load: (signal: AbortSignal) => Promise<T>, everyMs: number, on: readonly unknown[] = []): Polled<T> {
  const [value, setValue] = useState<T>();
  const [problem, setProblem] = useState<Problem>();
  const [turn, setTurn] = useState(0);
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    const ended = new AbortController();
    let timer = 0;
    const round = async () => {
      if (!document.hidden) {
        try {
          const loaded = await latest.current(ended.signal);
          if (ended.signal.aborted) return;
          setValue(() => loaded);
          setProblem(undefined);
        } catch (error) {
          if (ended.signal.aborted) return;
          const found = problemOf(error);
          setProblem(found);
          if (found.isRefused || found.status === 401) return;
        }
      }
      if (everyMs > 0) timer = window.setTimeout(round, everyMs);
    };
    void round();
    return () => {
      ended.abort();
      clearTimeout(timer);
    };
  }, [everyMs, turn, ...on]);
  return { value, problem, again: useCallback(() => setTurn(before => before + 1), []) };
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Strata`;
  }, [title]);
}

/* True while the visitor's system, or his choice here, is for dark; changes with it. */
export function useTheme(): [string, (theme: string) => void] {
  const [theme, setTheme] = useState(() => readTheme());
  useEffect(() => {
    if (theme === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = theme;
    dispatchEvent(new Event('strata-theme'));
  }, [theme]);
  return [theme, chosen => {
    try {
      localStorage.setItem('strata.theme', chosen);
    } catch {
      /* It holds until the page is loaded anew. */
    }
    setTheme(chosen);
  }];
}

function readTheme(): string {
  try {
    const stored = localStorage.getItem('strata.theme');
    return stored === 'dark' || stored === 'light' ? stored : 'system';
  } catch {
    return 'system';
  }
}
