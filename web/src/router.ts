/* Where one is, in the part of the address behind '#': #/keys?prefix=user%3A */
import { useEffect, useState } from 'preact/hooks';

export interface Place {
  readonly view: string;
  readonly rest: string; /* behind the view, still encoded: a key */
  readonly query: URLSearchParams;
}

export function parsePlace(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const slash = path.indexOf('/');
  return { view: (slash < 0 ? path : path.slice(0, slash)) || 'overview', rest: slash < 0 ? '' : path.slice(slash + 1), query: new URLSearchParams(query) };
}

export function usePlace(): Place {
  const [place, setPlace] = useState(() => parsePlace(location.hash));
  useEffect(() => {
    const moved = () => setPlace(parsePlace(location.hash));
    addEventListener('hashchange', moved);
    return () => removeEventListener('hashchange', moved);
  }, []);
  return place;
}

export function go(hash: string): void {
  location.hash = hash;
}

/* The address says what is looked at, and the way back does not lead through each letter that was typed. */
export function replaceQuery(view: string, query: Readonly<Record<string, string>>): void {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== '')).toString();
  history.replaceState(null, '', `#/${view}${text ? '?' + text : ''}`);
}
