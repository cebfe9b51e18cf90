/* Asking the server. Whatever it refuses is a Problem with the server's own words.
 *
 * Who asks is in the field Authorization of each request and nowhere else. It is kept for the tab (sessionStorage), never longer. */
import { type Wire, percentEncode, bytesOf } from './lib/bytes';

const STORED = 'strata.authorization';

let authorization = read();
let expired: () => void = () => {};

export type Method = 'password' | 'token';

function read(): string | undefined {
  try {
    return sessionStorage.getItem(STORED) ?? undefined;
  } catch {
    return undefined;
  }
}

/* By what whoever asks has signed in; undefined: not at all, or by the browser's certificate. */
export function signedInBy(): Method | undefined {
  return authorization === undefined ? undefined : authorization.startsWith('Bearer ') ? 'token' : 'password';
}

export function setAuthorization(value: string | undefined): void {
  authorization = value;
  try {
    if (value === undefined) sessionStorage.removeItem(STORED);
    else sessionStorage.setItem(STORED, value);
  } catch {
    /* Without storage it holds until the page is loaded anew. */
  }
}

export function basic(user: string, password: string): string {
  let packed = '';
  for (const byte of bytesOf(`${user}:${password}`)) packed += String.fromCharCode(byte);
  return 'Basic ' + btoa(packed);
}

export function bearer(token: string): string {
  return `Bearer ${token.trim()}`;
}

/* Called when the server wants to know anew who asks: what was said of it until now does not hold any more. */
export function onExpired(call: () => void): void {
  expired = call;
}

export class Problem extends Error {
  constructor(readonly status: number, readonly code: string, detail: string, readonly about: Readonly<Record<string, unknown>> = {}) {
    super(detail);
  }

  /* It will be refused again, whenever it is asked for. */
  get isRefused(): boolean {
    return this.status === 403;
  }

  /* The right that is missing, and not where one comes from. */
  get isRight(): boolean {
    return this.status === 403 && this.code === 'NOPERM';
  }
}

export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem(0, 'UNREACHABLE', 'The server does not answer.');
}

export interface Asking {
  readonly method?: string;
  readonly json?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly as?: string; /* who asks, in place of who has signed in */
}

/* `said`: who has asked. A late answer to who has signed out meanwhile says nothing of who is in now. */
async function fail(response: Response, said: string | undefined): Promise<never> {
  let about: Record<string, unknown> = {};
  try {
    about = await response.json() as Record<string, unknown>;
  } catch {
    /* It is no answer of the API: a proxy's, or cut off. */
  }
  const problem = new Problem(response.status, String(about['code'] ?? response.status), String(about['detail'] ?? (response.statusText || `status ${response.status}`)), about);
  if (problem.status === 401 && said === authorization) expired();
  throw problem;
}

export async function ask(path: string, asking: Asking = {}): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json', ...asking.headers };
  const said = asking.as ?? authorization;
  if (said !== undefined) headers['Authorization'] = said;
  if (asking.json !== undefined) headers['Content-Type'] = 'application/json';
  const options: RequestInit = {
    method: asking.method ?? 'GET',
    headers,
    cache: 'no-store',
    redirect: 'error',
    // Over TLS it is what a client's certificate comes with, which the server may want from everybody. In the clear there are none, and a browser would ask
    // by itself for a password; over TLS it says that a script asks, and the server does not tell it to.
    credentials: location.protocol === 'https:' ? 'same-origin' : 'omit',
  };
  if (asking.json !== undefined) options.body = JSON.stringify(asking.json);
  if (asking.signal) options.signal = asking.signal;
  const response = await fetch(path, options);
  if (!response.ok) return fail(response, said);
  return response;
}

export async function json<T>(path: string, asking: Asking = {}): Promise<T> {
  const response = await ask(path, asking);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

export async function text(path: string, signal?: AbortSignal): Promise<string> {
  return (await ask(path, { headers: { Accept: '*/*' }, ...(signal ? { signal } : {}) })).text();
}

/* Any command, as an array of its words. */
export async function command<T>(words: readonly (Wire | number)[], signal?: AbortSignal, as?: string): Promise<T> {
  const asking: Asking = { method: 'POST', json: words, ...(signal ? { signal } : {}), ...(as !== undefined ? { as } : {}) };
  return (await json<{ reply: T }>('/v1/commands', asking)).reply;
}

export function keyPath(route: 'keys' | 'explain', key: Wire): string {
  return `/v1/${route}/${percentEncode(bytesOf(key))}`;
}
