// What happens now, as the server tells it (`GET /api/v1/live`, server-sent events).
//
// One connection serves all that watch everything, another those that watch named devices.
// channel.ts keeps each of them open; here is what both share with the browser.
import { fetchRead, lookAfter } from './awake';
import { Channel, worstOf, type LiveState, type Watch } from './channel';
import { readFrame, takeFrames } from './frames';
import { session } from './session.svelte';

export type { LiveEvent, LiveState, Watch } from './channel';
export { readFrame, takeFrames };

const UNSEEN_MS = 250;

class Live {
  state = $state<LiveState>('idle');
  /** Of each channel its own: one that is well does not hide that the other is not. */
  #states = new Map<Channel, LiveState>();
  #settling = new Map<Channel, ReturnType<typeof setTimeout>>();
  #all = this.#channel();
  #some = this.#channel();

  /** Watch until the returned function is called; made for `$effect`. */
  watch(watch: Watch): () => void {
    return (watch.devices ? this.#some : this.#all).add(watch);
  }

  #channel(): Channel {
    const channel: Channel = new Channel({
      open: (query, from, signal) =>
        fetchRead(`/api/v1/live?${query}`, {
          headers: { 'X-Weft-Token': session.token, ...(from === null ? {} : { 'Last-Event-ID': String(from) }) },
          cache: 'no-store',
          signal,
        }),
      tell: (state) => this.#tell(channel, state),
      lost: () => session.lost(),
      online: () => navigator.onLine,
      soon: beforeTheNextFrame,
      report: (error) => reportError(error),
    });
    lookAfter(channel);
    return channel;
  }

  #tell(channel: Channel, state: LiveState): void {
    clearTimeout(this.#settling.get(channel));
    this.#states.set(channel, state);
    this.#show();
    if (state === 'caught-up') this.#settling.set(channel, setTimeout(() => this.#tell(channel, 'live'), 4000));
  }

  /** The worse of those that somebody watches; of all where nobody does yet, or any more. */
  #show(): void {
    const told = [...this.#states];
    const watched = told.filter(([channel]) => channel.watches.size > 0);
    this.state = worstOf((watched.length > 0 ? watched : told).map(([, state]) => state));
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
