// The API, typed by our own OpenAPI (schema.d.ts, written by `scripts/dashboard types`).
// The dashboard's requests go through here, but for streams and signing in. Each carries the
// session's token, and the version that was read where it is given (`ifMatch`); a POST has a key
// of its own, by which the server knows a repeat of it; and each error becomes words.
import { fetchWhole } from './awake';
import { session } from './session.svelte';
import type { components, paths } from './schema';

export type Schemas = components['schemas'];

type Full<P extends string> = `/api/v1${P}`;
export type Path = keyof paths extends infer K ? (K extends Full<infer P> ? P : never) : never;
export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

type Operation<M extends Method, P extends Path> = M extends keyof paths[Full<P>]
  ? paths[Full<P>][M]
  : never;
/** The paths that answer a method. */
export type PathOf<M extends Method> = {
  [P in Path]: Operation<M, P> extends { responses: unknown } ? P : never;
}[Path];

type Content<R> = R extends { content: infer C }
  ? 'application/json' extends keyof C
    ? C['application/json']
    : unknown
  : undefined;
type Good<R> = R extends { 200: infer A } ? A : R extends { 201: infer B } ? B : R extends { 202: infer C } ? C : undefined;
export type Result<M extends Method, P extends Path> =
  Operation<M, P> extends { responses: infer R } ? Content<Good<R>> : never;
type Parameters<O> = O extends { parameters: infer X } ? X : never;
export type Query<M extends Method, P extends Path> =
  Parameters<Operation<M, P>> extends { query?: infer Q } ? Q : never;
type Body<O> = O extends { requestBody?: { content: infer C } }
  ? 'application/json' extends keyof C
    ? C['application/json']
    : unknown
  : unknown;

export interface Options<M extends Method, P extends Path> {
  path?: Record<string, string>;
  query?: Query<M, P>;
  body?: Body<Operation<M, P>>;
  /** A body in another media type than JSON. */
  raw?: { content: BodyInit; type: string };
  /** The version that was read: nobody is overruled unseen. */
  ifMatch?: number | string;
  /** The answer's media type, where it is not JSON. */
  accept?: string;
  signal?: AbortSignal;
}

export interface Answer<T> {
  data: T;
  /** The version of what was read, for `ifMatch`. */
  version: string | null;
  response: Response;
}

/** An error as the API told it (RFC 9457), or why it could not be asked. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly remedy: string,
    readonly instance = '',
  ) {
    super(detail);
    this.name = 'Problem';
  }

  /** What happened and what to do, in a line. */
  get text(): string {
    return [this.detail, this.remedy].filter(Boolean).join(' ');
  }
}

/** What any error says to a person. */
export function wordsOf(error: unknown): string {
  if (error instanceof Problem) return error.text;
  return error instanceof Error ? error.message : String(error);
}

const PREFIX = '/api/v1';

export function urlOf(path: string, params: Record<string, string> = {}, query?: object): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name];
    if (value === undefined) throw new Error(`the path ${path} lacks ${name}`);
    return encodeURIComponent(value);
  });
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) continue;
    search.append(name, Array.isArray(value) ? value.join(',') : String(value)); // lists: form, not exploded
  }
  const text = search.toString();
  return PREFIX + filled + (text ? `?${text}` : '');
}

export async function problemOf(response: Response): Promise<Problem> {
  const told: Partial<Schemas['Problem']> = await response.json().catch(() => ({}));
  return new Problem(
    response.status,
    told.code ?? 'unknown',
    told.detail ?? `The server answered ${response.status}.`,
    told.remedy ?? '',
    told.instance ?? '',
  );
}

/** Send a request with the session's token; raise a `Problem` unless it went well. */
export async function send(url: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (session.token) headers.set('X-Weft-Token', session.token);
  let response: Response;
  try {
    const ask = (init.method ?? 'GET') === 'GET' ? fetchWhole : fetch;
    response = await ask(url, { ...init, headers, credentials: 'same-origin', cache: 'no-store' });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new Problem(0, 'unreachable', 'The server does not answer.', 'Try again in a moment.');
  }
  if (response.ok || response.status === 304) return response;
  const problem = await problemOf(response);
  if (response.status === 401) session.lost();
  throw problem;
}

export async function call<M extends Method, P extends PathOf<M>>(
  method: M,
  path: P,
  options: Options<M, P> = {},
): Promise<Answer<Result<M, P>>> {
  const headers: Record<string, string> = { Accept: options.accept ?? 'application/json' };
  let body: BodyInit | undefined;
  if (options.raw) {
    body = options.raw.content;
    headers['Content-Type'] = options.raw.type;
  } else if (options.body !== undefined) {
    body = JSON.stringify(options.body);
    headers['Content-Type'] = 'application/json';
  }
  if (options.ifMatch !== undefined) headers['If-Match'] = quoted(options.ifMatch);
  if (method === 'post') headers['Idempotency-Key'] = crypto.randomUUID();
  const response = await send(urlOf(path, options.path, options.query as object | undefined), {
    method: method.toUpperCase(),
    headers,
    body,
    signal: options.signal,
  });
  const type = response.headers.get('content-type') ?? '';
  const data = response.status === 204 ? undefined : /[/+]json\b/.test(type) ? await response.json() : await response.text();
  return { data: data as Result<M, P>, version: versionOf(response), response };
}

const quoted = (version: number | string): string => `"${String(version).replaceAll('"', '')}"`;
const versionOf = (response: Response): string | null => response.headers.get('etag')?.replaceAll('"', '') ?? null;

type Asking = { [M in Method]: <P extends PathOf<M>>(path: P, options?: Options<M, P>) => Promise<Result<M, P>> };

function asking<M extends Method>(method: M) {
  return async <P extends PathOf<M>>(path: P, options: Options<M, P> = {}): Promise<Result<M, P>> =>
    (await call(method, path, options)).data;
}

/** `await api.get('/devices/{device_id}', { path: { device_id } })` */
export const api: Asking = {
  get: asking('get'),
  post: asking('post'),
  put: asking('put'),
  patch: asking('patch'),
  delete: asking('delete'),
};

export interface PageOf<T> {
  items: T[];
  next?: string | null;
}

/** Read all pages of a list, up to `most` items. */
export async function readAll<T>(read: (cursor?: string) => Promise<PageOf<T>>, most = 10_000): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const page = await read(cursor);
    items.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined && items.length < most);
  return items;
}
