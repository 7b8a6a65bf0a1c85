// What happens now, as the server tells it (`GET /api/v1/live`, server-sent events).
//
// One connection serves all that watch everything, another those that watch named devices.
// channel.ts keeps each of them open; here is what both share with the browser.
import { Channel, type LiveState, type Watch } from './channel';
import { readFrame, takeFrames } from './frames';
import { session } from './session.svelte';

export type { LiveEvent, LiveState, Watch } from './channel';
export { readFrame, takeFrames };

const TICK_MS = 5_000;
const UNSEEN_MS = 250;

class Live {
  state = $state<LiveState>('idle');
  #all = this.#channel();
  #some = this.#channel();
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
    for (const name of ['online', 'offline']) window.addEventListener(name, () => this.#reopen());
  }

  /** Watch until the returned function is called; made for `$effect`. */
  watch(watch: Watch): () => void {
    return (watch.devices ? this.#some : this.#all).add(watch);
  }

  #channel(): Channel {
    return new Channel({
      open: (query, from, signal) =>
        fetch(`/api/v1/live?${query}`, {
          headers: { 'X-Weft-Token': session.token, ...(from === null ? {} : { 'Last-Event-ID': String(from) }) },
          cache: 'no-store',
          signal,
        }),
      tell: (state) => this.#tell(state),
      lost: () => session.lost(),
      online: () => navigator.onLine,
      soon: beforeTheNextFrame,
    });
  }

  #tell(state: LiveState): void {
    if (state === 'idle' && this.#all.watches.size + this.#some.watches.size > 0) return; // the other one is not
    clearTimeout(this.#settling);
    this.state = state;
    if (state === 'caught-up') this.#settling = setTimeout(() => (this.state = 'live'), 4000);
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

/** A page that nobody looks at draws no frame: then after a while all the same. */
function beforeTheNextFrame(act: () => void): void {
  let done = false;
  const once = (): void => {
    if (done) return;
    done = true;
    act();
  };
  setTimeout(once, UNSEEN_MS);
  if (!document.hidden) requestAnimationFrame(once);
}

export const live = new Live();
