// Where one is: the address, as state. Links are plain <a href>; a click on one of ours stays
// in the page.
class Router {
  path = $state(window.location.pathname);
  query = $state(new URLSearchParams(window.location.search));
  /** How often one came to another query by a link or the way back, not by `set`. */
  arrivals = $state(0);
  #search = window.location.search;

  constructor() {
    window.addEventListener('popstate', () => this.#arrive());
    document.addEventListener('click', (event) => this.#clicked(event));
  }

  go(to: string, { replace = false }: { replace?: boolean } = {}): void {
    const before = this.path;
    window.history[replace ? 'replaceState' : 'pushState'](null, '', to);
    this.#arrive();
    if (this.path !== before) window.scrollTo(0, 0);
  }

  /** Change parts of the query; null takes one away. The page stays. */
  set(changes: Record<string, string | null>): void {
    const query = new URLSearchParams(window.location.search);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === '') query.delete(name);
      else query.set(name, value);
    }
    const text = query.toString();
    window.history.replaceState(null, '', window.location.pathname + (text ? `?${text}` : ''));
    this.#read();
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

export const router = new Router();
