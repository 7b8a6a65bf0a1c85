// One stream of `live` and those who watch it.
//
// It is opened again after any fault, from the last message, so that no message is missed and
// none comes twice; whoever watches our own records reads them again, as these are not sent again.
// It is also opened anew when more is watched than it brings, which is no fault: but a page that
// had read before it was open reads again, as something may have happened in between. So that this
// is seldom, a stream that brings all that is wanted stays, from one page to the next.
import type { Connection } from './awake';
import { readFrame, takeFrames } from './frames';

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

/** From the best to the worst. */
const STATES = ['idle', 'live', 'caught-up', 'connecting', 'reconnecting', 'offline'] as const;
export type LiveState = (typeof STATES)[number];

export const worstOf = (states: LiveState[]): LiveState => STATES[Math.max(0, ...states.map((state) => STATES.indexOf(state)))] ?? 'idle';

/** What a channel stands in. */
export interface Around {
  /** Ask for a stream; `from` is the position of the last message that came. */
  open(query: string, from: number | null, signal: AbortSignal): Promise<Response>;
  tell(state: LiveState): void;
  /** The session is over. */
  lost(): void;
  online(): boolean;
  /** Do something before the next frame is drawn. */
  soon(act: () => void): void;
  /** One who watches has failed at what was told to it. */
  report(error: unknown): void;
}

const AWAY_MS = 60_000; // after that, reading anew is less than all that was missed
const PAUSE_MAX_MS = 15_000;
const GATHER_MS = 30; // several who come at once are one change
const HOLD_MS = 5_000; // who reads again longer than this is told meanwhile what comes
const LINGER_MS = 1_000; // one page has gone and the next is still being loaded

/** Kinds that are in the journal. The others carry its head, ahead of messages still to come. */
const JOURNALED = new Set(['telemetry', 'reported', 'event', 'command_result', 'rejection']);

interface Asked {
  kinds: string[];
  devices: string[];
}

/** Whether a stream brings all that is wanted; changes of records that nobody wants do no harm. */
function covers(open: Asked, wanted: Asked): boolean {
  return (
    JSON.stringify(open.devices) === JSON.stringify(wanted.devices) &&
    wanted.kinds.every((kind) => open.kinds.includes(kind)) &&
    open.kinds.every((kind) => wanted.kinds.includes(kind) || !JOURNALED.has(kind))
  );
}

export class Channel implements Connection {
  readonly watches = new Set<Watch>();
  #last: number | null = null; // the position of the last message
  #asked: Asked = { kinds: [], devices: [] };
  #heardAt = 0;
  #askedAt = 0;
  #attempt = 0;
  #fault = false;
  #abort: AbortController | null = null;
  #queue: LiveEvent[] = [];
  #flushing = false;
  /** The stream whose watchers read again: what it brings is told to them after that. */
  #holding: AbortSignal | null = null;
  #changing: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly around: Around) {}

  add(watch: Watch): () => void {
    this.watches.add(watch);
    this.#changeSoon();
    return () => {
      this.watches.delete(watch);
      this.#changeSoon();
    };
  }

  heardAt(): number | null {
    return this.#abort === null ? null : Math.max(this.#heardAt, this.#askedAt);
  }

  /** The connection is none any more, or is not trusted. */
  reopen(): void {
    this.#fault = this.watches.size > 0;
    this.#start();
  }

  #changeSoon(): void {
    clearTimeout(this.#changing);
    this.#changing = setTimeout(() => this.#change(), this.watches.size > 0 ? GATHER_MS : LINGER_MS);
  }

  #change(): void {
    if (this.watches.size === 0) {
      this.#close();
      this.#fault = false;
      this.around.tell('idle');
    } else if (this.#abort === null || !covers(this.#asked, this.#wanted())) {
      this.#last = null; // what another filter lets through begins now
      this.#start();
    }
  }

  #close(): void {
    clearTimeout(this.#retry);
    this.#abort?.abort();
    this.#abort = null;
  }

  #start(): void {
    this.#close();
    if (this.watches.size > 0) void this.#run();
  }

  async #run(): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    this.around.tell(this.#fault ? this.#broken() : 'connecting');
    if (Date.now() - this.#heardAt > AWAY_MS) this.#last = null;
    this.#asked = this.#wanted();
    this.#askedAt = Date.now();
    try {
      const response = await this.around.open(queryOf(this.#asked), this.#last, abort.signal);
      if (abort.signal.aborted) return;
      if (response.status === 401) {
        this.#abort = null;
        this.around.lost();
        return;
      }
      if (!response.ok || response.body === null) throw new Error(`live answered ${response.status}`);
      this.#heardAt = Date.now();
      void this.#opened(abort.signal);
      // Read at once: who is slow to read again holds up neither the others nor the stream.
      await this.#read(response.body, abort.signal);
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!(error instanceof Error)) throw error;
    }
    if (abort.signal.aborted) return;
    this.#abort = null;
    this.#fault = true;
    if (this.watches.size > 0) this.around.tell(this.#broken());
    const pause = Math.min(PAUSE_MAX_MS, 500 * 2 ** this.#attempt) * (0.7 + Math.random() * 0.6);
    this.#attempt += 1;
    this.#retry = setTimeout(() => this.#start(), pause);
  }

  #broken(): LiveState {
    return this.around.online() ? 'reconnecting' : 'offline';
  }

  async #opened(signal: AbortSignal): Promise<void> {
    const fault = this.#fault;
    this.#fault = false;
    this.#attempt = 0;
    const behind = [...this.watches].filter((watch) => this.#mayHaveMissed(watch));
    this.#holding = signal;
    let waited: ReturnType<typeof setTimeout> | undefined;
    const reading = this.#readAgain(behind, fault ? 'reconnected' : 'opened').then(() => true);
    const read = await Promise.race([reading, new Promise<boolean>((done) => (waited = setTimeout(done, HOLD_MS, false)))]);
    clearTimeout(waited);
    if (this.#holding === signal) {
      this.#holding = null;
      if (this.#queue.length > 0) this.#flushSoon();
    }
    if (this.#abort?.signal === signal) this.around.tell(fault && read ? 'caught-up' : 'live');
  }

  /** Messages are sent again from the last one on; changes of our own records never are. */
  #mayHaveMissed(watch: Watch): boolean {
    return this.#last === null || watch.kinds.some((kind) => !JOURNALED.has(kind));
  }

  #wanted(): Asked {
    const kinds = new Set<string>();
    const devices = new Set<string>();
    for (const watch of this.watches) {
      watch.kinds.forEach((kind) => kinds.add(kind));
      watch.devices?.forEach((device) => devices.add(device));
    }
    return { kinds: [...kinds].sort(), devices: [...devices].sort() };
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
    if (read === null || read.event === 'end' || read.id === null) return;
    const data = JSON.parse(read.data);
    if (read.event === 'gap') {
      // One that counts none is of changes of records, which were read again at the opening.
      if (data.missed > 0) void this.#readAgain([...this.watches], String(data.reason));
      return;
    }
    if (JOURNALED.has(read.event)) {
      if (this.#last !== null && read.id <= this.#last) return; // it came before
      this.#last = read.id;
    }
    this.#queue.push({ kind: read.event, position: read.id, device_id: data.device_id, data });
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushing || this.#holding !== null) return;
    this.#flushing = true;
    this.around.soon(() => {
      this.#flushing = false;
      if (this.#holding !== null) return; // opened anew since: told when that has been read
      const events = this.#queue;
      this.#queue = [];
      for (const watch of this.watches) this.#tell(watch, events);
    });
  }

  /** Tell one who watches; one that fails at it reads again, and the others hear all the same. */
  #tell(watch: Watch, events: LiveEvent[]): void {
    const devices = watch.devices && new Set(watch.devices);
    const wanted = events.filter((event) => watch.kinds.includes(event.kind) && (!devices || devices.has(event.device_id)));
    if (wanted.length === 0) return;
    try {
      watch.on(wanted);
    } catch (error) {
      this.around.report(error);
      void this.#readAgain([watch], 'failed');
    }
  }

  async #readAgain(watches: Watch[], reason: string): Promise<void> {
    const answers = await Promise.allSettled(watches.map(async (watch) => watch.again?.(reason)));
    for (const answer of answers) if (answer.status === 'rejected') this.around.report(answer.reason);
  }
}

function queryOf(asked: Asked): string {
  const query = new URLSearchParams();
  for (const kind of asked.kinds) query.append('kinds', kind);
  for (const device of asked.devices) query.append('devices', device);
  return query.toString();
}
