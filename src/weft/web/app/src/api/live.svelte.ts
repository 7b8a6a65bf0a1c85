// What happens now, as the server tells it (`GET /api/v1/live`, server-sent events).
//
// One connection serves all that watch everything, another those that watch named devices. It
// is opened again after any fault, from the last position, so that nothing is missed and
// nothing comes twice; what cannot be sent again is told to the watcher, who reads it anew.
import { readFrame, takeFrames } from './frames';
import { session } from './session.svelte';

export { readFrame, takeFrames };

export interface LiveEvent {
  kind: string;
  position: number;
  device_id: string;
  /** As docs/reference/rest.md and the schemas have it, by kind. */
  data: any;
}

export interface Watch {
  /** As telemetry, reported, event, twin, alarm, work_order, connection, command; see the API. */
  kinds: string[];
  /** Only of these devices; of all where none is named. */
  devices?: string[];
  /** Called at most once a frame with all that has come since. */
  on: (events: LiveEvent[]) => void;
  /** Something was missed, or may have been: read it again. */
  again?: (reason: string) => void | Promise<void>;
}

export type LiveState = 'idle' | 'connecting' | 'live' | 'reconnecting' | 'offline' | 'caught-up';

const SILENT_MS = 40_000; // the server says something every 15 s
const AWAY_MS = 60_000; // after that, reading anew is less than all that was missed
const TICK_MS = 5_000;
const PAUSE_MAX_MS = 15_000;
const JOURNALED = new Set(['telemetry', 'reported', 'event', 'command_result', 'rejection']);

class Channel {
  watches = new Set<Watch>();
  #last: number | null = null;
  #heardAt = 0;
  #attempt = 0;
  #opened = false;
  #abort: AbortController | null = null;
  #queue: LiveEvent[] = [];
  #flushing = false;
  #changing: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly live: Live) {}

  add(watch: Watch): () => void {
    this.watches.add(watch);
    this.#change();
    return () => {
      this.watches.delete(watch);
      this.#change();
    };
  }

  /** Look whether the connection is still one: after a sleep it only seems so. */
  check(jumped: boolean): void {
    if (this.#abort !== null && (jumped || Date.now() - this.#heardAt > SILENT_MS)) this.reopen();
  }

  reopen(): void {
    this.close();
    if (this.watches.size > 0) void this.#run();
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#abort?.abort();
    this.#abort = null;
  }

  #change(): void {
    clearTimeout(this.#changing);
    this.#changing = setTimeout(() => {
      // Another filter: what it lets through begins now, and whoever was there reads anew.
      this.#last = null;
      this.reopen();
      if (this.watches.size === 0) this.live.settle();
    }, 30);
  }

  async #run(): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    this.live.tell(this.#attempt > 0 || this.#opened ? 'reconnecting' : 'connecting');
    const away = Date.now() - this.#heardAt > AWAY_MS;
    const from = away ? null : this.#last;
    if (from === null) this.#last = null;
    try {
      const response = await fetch(this.#url(), {
        headers: { 'X-Weft-Token': session.token, ...(from === null ? {} : { 'Last-Event-ID': String(from) }) },
        cache: 'no-store',
        signal: abort.signal,
      });
      if (response.status === 401) {
        session.lost();
        return;
      }
      if (!response.ok || response.body === null) throw new Error(`live answered ${response.status}`);
      this.#heardAt = Date.now();
      const again = this.#opened;
      this.#opened = true;
      this.#attempt = 0;
      if (again && from === null) await this.#readAgain('reconnected');
      this.live.tell(again ? 'caught-up' : 'live');
      await this.#read(response.body, abort.signal);
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!(error instanceof Error)) throw error;
    }
    if (abort.signal.aborted) return;
    this.#abort = null;
    this.live.tell(navigator.onLine ? 'reconnecting' : 'offline');
    const pause = Math.min(PAUSE_MAX_MS, 500 * 2 ** this.#attempt) * (0.7 + Math.random() * 0.6);
    this.#attempt += 1;
    this.#retry = setTimeout(() => this.reopen(), pause);
  }

  #url(): string {
    const kinds = new Set<string>();
    const devices = new Set<string>();
    for (const watch of this.watches) {
      watch.kinds.forEach((kind) => kinds.add(kind));
      watch.devices?.forEach((device) => devices.add(device));
    }
    const query = new URLSearchParams();
    kinds.forEach((kind) => query.append('kinds', kind));
    devices.forEach((device) => query.append('devices', device));
    return `/api/v1/live?${query.toString()}`;
  }

  async #read(body: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<void> {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let rest = '';
    while (!signal.aborted) {
      const { done, value } = await reader.read();
      if (done) return;
      this.#heardAt = Date.now();
      const taken = takeFrames(rest + decoder.decode(value, { stream: true }));
      rest = taken.rest;
      for (const frame of taken.frames) this.#take(frame);
    }
  }

  #take(frame: string): void {
    const read = readFrame(frame);
    if (read === null) return;
    const data = JSON.parse(read.data);
    if (read.event === 'gap') {
      if (read.id !== null) this.#last = read.id;
      void this.#readAgain(String(data.reason));
      return;
    }
    if (read.event === 'end' || read.id === null) return;
    if (JOURNALED.has(read.event)) {
      if (this.#last !== null && read.id <= this.#last) return; // it came before
      this.#last = read.id;
    } else {
      this.#last = Math.max(this.#last ?? 0, read.id);
    }
    this.#queue.push({ kind: read.event, position: read.id, device_id: data.device_id, data });
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    const flush = (): void => {
      this.#flushing = false;
      const events = this.#queue;
      this.#queue = [];
      for (const watch of this.watches) {
        const devices = watch.devices && new Set(watch.devices);
        const wanted = events.filter((event) => watch.kinds.includes(event.kind) && (!devices || devices.has(event.device_id)));
        if (wanted.length > 0) watch.on(wanted);
      }
    };
    if (document.hidden) setTimeout(flush, 250);
    else requestAnimationFrame(flush);
  }

  async #readAgain(reason: string): Promise<void> {
    await Promise.allSettled([...this.watches].map((watch) => watch.again?.(reason)));
  }
}

class Live {
  state = $state<LiveState>('idle');
  #all = new Channel(this);
  #some = new Channel(this);
  #tickedAt = Date.now();
  #settling: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    setInterval(() => {
      const jumped = Date.now() - this.#tickedAt > 4 * TICK_MS && !document.hidden; // the machine slept
      this.#tickedAt = Date.now();
      this.#check(jumped);
    }, TICK_MS);
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.#check(false);
    });
    window.addEventListener('online', () => this.#reopen());
    window.addEventListener('offline', () => {
      this.tell('offline');
      this.#reopen();
    });
  }

  /** Watch until the returned function is called; made for `$effect`. */
  watch(watch: Watch): () => void {
    return (watch.devices ? this.#some : this.#all).add(watch);
  }

  tell(state: LiveState): void {
    clearTimeout(this.#settling);
    this.state = state;
    if (state === 'caught-up') this.#settling = setTimeout(() => (this.state = 'live'), 4000);
  }

  settle(): void {
    if (this.#all.watches.size + this.#some.watches.size === 0) this.tell('idle');
  }

  #check(jumped: boolean): void {
    this.#all.check(jumped);
    this.#some.check(jumped);
  }

  #reopen(): void {
    this.#all.reopen();
    this.#some.reopen();
  }
}

export const live = new Live();
