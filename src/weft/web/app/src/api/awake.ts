// Whether connections still are some. No browser tells a page that its machine has slept, and a
// connection that was lost meanwhile only falls silent; nor does a browser know it of those that
// it keeps for the next request. So what stays open is looked at; and after a doubt those that are
// kept are tried first, all at once, for whichever does not answer is closed by that.

const TICK_MS = 5_000;
const PAUSE_MS = 4 * TICK_MS; // a longer one between two ticks was a sleep
const SILENT_MS = 40_000; // the server says something every 15 s on each stream
const PATIENCE_MS = 3_000; // with an answer that costs the server nothing
const KEPT_MAX = 6; // connections to one server, in any browser
const TRIES_MAX = 3;

export interface Connection {
  /** When something came over it, or was asked; null while none is open. */
  heardAt(): number | null;
  /** It is none any more, or is not trusted. */
  reopen(): void;
}

const connections = new Set<Connection>();
const waiting = new Set<AbortController>();
let tickedAt = Date.now();
let tried: Promise<unknown> = Promise.resolve();

/** Have a connection looked at until the returned function is called. */
export function lookAfter(connection: Connection): () => void {
  connections.add(connection);
  return () => void connections.delete(connection);
}

/** `fetch`, for what only reads: it is asked again where its connection came into doubt. */
export const fetchRead = (url: string, init: RequestInit = {}): Promise<Response> => watched(url, init, async (response) => response);

/** The same, with all of the answer: a connection may be lost in the middle of that. */
export const fetchWhole = (url: string, init: RequestInit = {}): Promise<Response> =>
  watched(url, init, async (response) => {
    const { status, statusText, headers } = response;
    const body = await response.arrayBuffer();
    return new Response(body.byteLength > 0 ? body : null, { status, statusText, headers });
  });

async function watched(url: string, init: RequestInit, take: (response: Response) => Promise<Response>): Promise<Response> {
  for (let tries = 1; ; tries += 1) {
    await tried;
    const own = new AbortController();
    waiting.add(own);
    try {
      const signal = init.signal ? AbortSignal.any([init.signal, own.signal]) : own.signal;
      return await take(await fetch(url, { ...init, signal }));
    } catch (error) {
      if (!own.signal.aborted || init.signal?.aborted || tries === TRIES_MAX) throw error;
    } finally {
      waiting.delete(own);
    }
  }
}

async function tryOne(): Promise<void> {
  const answer = await fetch('/api/v1/health/live', { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS) });
  await answer.text(); // or the connection is not kept
}

function doubt(lost: Connection[]): void {
  tried = Promise.allSettled(Array.from({ length: KEPT_MAX }, tryOne));
  for (const one of waiting) one.abort(new Error('The connection came into doubt.'));
  for (const connection of lost) connection.reopen();
}

function look(slept: boolean): void {
  // What was heard since the sleep began is awake; a page that was hidden only seems to have slept.
  const isLost = (heardAt: number | null): boolean => heardAt !== null && Date.now() - heardAt > (slept ? PAUSE_MS : SILENT_MS);
  const lost = [...connections].filter((connection) => isLost(connection.heardAt()));
  if (slept || lost.length > 0) doubt(lost);
}

/** Begin to look, as long as the page is open. */
export function stayAwake(): void {
  // The timers of a hidden page are held back, so that a pause says nothing of its machine.
  setInterval(() => {
    const slept = Date.now() - tickedAt > PAUSE_MS && !document.hidden;
    tickedAt = Date.now();
    look(slept);
  }, TICK_MS);
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) look(false);
  });
  for (const name of ['online', 'offline']) window.addEventListener(name, () => doubt([...connections]));
}
