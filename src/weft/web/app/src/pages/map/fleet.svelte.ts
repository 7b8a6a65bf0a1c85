// The fleet as the map sees it: marks of the part in view, kept up to date by the server
// (`GET /fleet/live`), and the list of the devices there. Another view is another stream; one
// that breaks is opened again, and begins with all marks, so nothing is missed or doubled.
import { fetchRead, lookAfter, type Connection } from '../../api/awake';
import { api, problemOf, urlOf, type Schemas } from '../../api/client';
import { readFrame, takeFrames } from '../../api/live.svelte';
import { session } from '../../api/session.svelte';
import type { Seen } from '../../map/view';

export type Mark = Schemas['MarkView'];
export type Place = Schemas['PlaceView'];
export type StreamState = 'opening' | 'live' | 'again' | 'paused';

interface Frame {
  reset: boolean;
  set: Mark[];
  gone: string[];
  zoom: number;
  devices: number;
}

const SETTLE_MS = 250; // a view that is still moving asks for nothing
const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const LIST_EVERY_MS = 5_000;
const LIST_PAGE = 200;

export class Fleet implements Connection {
  marks = $state.raw<ReadonlyMap<string, Mark>>(new Map());
  devices = $state(0);
  state = $state<StreamState>('opening');
  /** Whether a first frame has come: before it, nothing is known to be empty. */
  known = $state(false);
  list = $state.raw<Place[]>([]);
  more = $state<string | null>(null);
  listing = $state(true);
  failed = $state<unknown>();
  #seen: Seen | null = null;
  #abort: AbortController | null = null;
  #heardAt = 0;
  #settling: ReturnType<typeof setTimeout> | undefined;
  #listTimer: ReturnType<typeof setInterval> | undefined;
  #turn = 0;

  /** Follow until the returned function is called. */
  start(): () => void {
    const shown = (): void => (document.hidden ? this.#pause() : this.#open());
    document.addEventListener('visibilitychange', shown);
    const leave = lookAfter(this);
    this.#listTimer = setInterval(() => {
      if (!document.hidden && this.list.length <= LIST_PAGE) void this.read();
    }, LIST_EVERY_MS);
    return () => {
      leave();
      document.removeEventListener('visibilitychange', shown);
      clearInterval(this.#listTimer);
      clearTimeout(this.#settling);
      this.#abort?.abort();
    };
  }

  heardAt(): number | null {
    return this.#abort === null ? null : this.#heardAt;
  }

  reopen(): void {
    if (this.#abort === null) return; // nobody looks, or no part is shown yet
    this.state = 'again';
    this.#open();
    void this.read();
  }

  /** The map shows another part. */
  look(seen: Seen): void {
    this.#seen = seen;
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      this.#open();
      void this.read();
    }, SETTLE_MS);
  }

  /** Read the list of the view; the next page of it with a cursor. */
  async read(cursor?: string): Promise<void> {
    const own = ++this.#turn;
    this.listing = this.list.length === 0 || cursor !== undefined;
    try {
      const page = await api.get('/fleet/devices', { query: { ...this.#box(), limit: LIST_PAGE, cursor } });
      if (own !== this.#turn) return;
      this.list = cursor === undefined ? page.items : [...this.list, ...page.items];
      this.more = page.next ?? null;
      this.failed = undefined;
    } catch (error) {
      if (own === this.#turn) this.failed = error;
    }
    if (own === this.#turn) this.listing = false;
  }

  #box(): { west: number; south: number; east: number; north: number } {
    const [west, south, east, north] = this.#seen?.bounds ?? [-180, -90, 180, 90];
    return { west, south, east, north };
  }

  #pause(): void {
    this.#abort?.abort();
    this.#abort = null;
    this.state = 'paused';
  }

  #open(): void {
    this.#abort?.abort();
    if (this.#seen === null || document.hidden) return;
    const abort = new AbortController();
    this.#abort = abort;
    void this.#follow(abort.signal);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      this.#heardAt = Date.now();
      try {
        const url = urlOf('/fleet/live', {}, { ...this.#box(), zoom: Math.min(24, Math.max(0, this.#seen?.zoom ?? 0)) });
        const response = await fetchRead(url, { headers: { 'X-Weft-Token': session.token }, cache: 'no-store', signal });
        if (response.status === 401) {
          session.lost();
          return;
        }
        if (!response.ok || response.body === null) throw await problemOf(response);
        attempt = 0;
        await this.#read(response.body, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof Error)) throw error;
      }
      if (signal.aborted) return;
      this.state = 'again';
      const pause = RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)] ?? 8000;
      await new Promise((done) => setTimeout(done, pause));
    }
  }

  async #read(body: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<void> {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let rest = '';
    while (!signal.aborted) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) return;
      this.#heardAt = Date.now();
      const taken = takeFrames(rest + decoder.decode(value, { stream: true }));
      rest = taken.rest;
      for (const text of taken.frames) {
        const read = readFrame(text);
        if (read?.event === 'fleet') this.#take(JSON.parse(read.data) as Frame);
      }
    }
  }

  #take(frame: Frame): void {
    const marks = new Map(frame.reset ? [] : this.marks);
    for (const key of frame.gone) marks.delete(key);
    for (const mark of frame.set) marks.set(mark.key, mark);
    this.marks = marks;
    this.devices = frame.devices;
    this.state = 'live';
    this.known = true;
  }
}
