// Where one is: the address, as state. Links are plain <a href>; a click on one of ours stays
// in the page. What is not saved is asked about before one goes (leaving.svelte.ts).
import { leaving } from './leaving.svelte';

interface Going {
  /** Take the place of this address among those that the way back has. */
  replace?: boolean;
  /** What is here is saved or gone: nobody is asked. */
  sure?: boolean;
}

class Router {
  path = $state(window.location.pathname);
  query = $state(new URLSearchParams(window.location.search));
  /** How often one came to another query by a link or the way back, not by `set`. */
  arrivals = $state(0);
  #search = window.location.search;
  /** Which of the addresses of this tab it is, so that a way back can be taken back. */
  #at = placeOf(window.history.state) ?? 0;
  #agreed = false; // the next step of the browser's is one that was asked about

  constructor() {
    window.history.replaceState({ at: this.#at }, '');
    window.addEventListener('popstate', () => void this.#stepped());
    document.addEventListener('click', (event) => this.#clicked(event));
  }

  go(to: string, { replace = false, sure = false }: Going = {}): void {
    if (!sure && leaving.unsaved && !this.#isHere(to)) void this.#goAsked(to, replace);
    else this.#go(to, replace);
  }

  /** Change parts of the query; null takes one away. The page stays. */
  set(changes: Record<string, string | null>): void {
    const query = new URLSearchParams(window.location.search);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === '') query.delete(name);
      else query.set(name, value);
    }
    const text = query.toString();
    window.history.replaceState({ at: this.#at }, '', window.location.pathname + (text ? `?${text}` : ''));
    this.#read();
  }

  #isHere(to: string): boolean {
    return to === this.path + this.#search;
  }

  async #goAsked(to: string, replace: boolean): Promise<void> {
    if (await leaving.ask()) this.#go(to, replace);
  }

  #go(to: string, replace: boolean): void {
    const before = this.path;
    if (!replace) this.#at += 1;
    window.history[replace ? 'replaceState' : 'pushState']({ at: this.#at }, '', to);
    this.#arrive();
    if (this.path !== before) window.scrollTo(0, 0);
  }

  /** The browser has gone back or forward already: with something unsaved, return and ask. */
  async #stepped(): Promise<void> {
    const to = placeOf(window.history.state) ?? this.#at;
    const steps = to - this.#at;
    if (!this.#agreed && steps !== 0 && leaving.unsaved && !this.#isHere(window.location.pathname + window.location.search)) {
      const returned = new Promise((done) => window.addEventListener('popstate', done, { once: true }));
      window.history.go(-steps);
      await returned;
      this.#agreed = await leaving.ask();
      if (this.#agreed) window.history.go(steps);
      return;
    }
    this.#agreed = false;
    this.#at = to;
    this.#arrive();
  }

  #arrive(): void {
    if (window.location.search !== this.#search) this.arrivals += 1;
    this.#read();
  }

  #read(): void {
    this.path = window.location.pathname;
    this.#search = window.location.search;
    this.query = new URLSearchParams(window.location.search);
  }

  #clicked(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest?.('a[href]');
    if (!(link instanceof HTMLAnchorElement) || link.target || link.hasAttribute('download')) return;
    if (link.origin !== window.location.origin || /^\/(api|web|sign-up|assets)(\/|$)/.test(link.pathname)) return;
    if (link.hash && link.pathname === window.location.pathname) return;
    event.preventDefault();
    this.go(link.pathname + link.search);
  }
}

function placeOf(state: unknown): number | null {
  const at = typeof state === 'object' && state !== null && 'at' in state ? state.at : null;
  return typeof at === 'number' ? at : null;
}

export const router = new Router();
