// A list of the API that is read page by page, as a Table shows it. An answer that comes behind a
// newer question is dropped; what cannot be read is told, and not asked for again by itself.
import type { PageOf } from './client';

export class Listing<Row> {
  rows = $state.raw<Row[]>([]);
  loading = $state(true);
  failed = $state<unknown>();
  #next = $state<string | null>(null);
  #turn = 0;

  /** `ask` answers one page: the first, or that of a cursor. */
  constructor(private readonly ask: (cursor?: string) => Promise<PageOf<Row>>) {}

  /** Whether there is a page behind what is shown. */
  get more(): boolean {
    return this.#next !== null && this.failed === undefined;
  }

  /** Read it from the start: at first, and whenever what is asked for has changed. */
  read = (): Promise<void> => this.#take();

  /** Read the page behind what is shown. */
  readOn = async (): Promise<void> => {
    if (this.#next !== null) await this.#take(this.#next);
  };

  async #take(cursor?: string): Promise<void> {
    const own = ++this.#turn;
    this.loading = true;
    try {
      const page = await this.ask(cursor);
      if (own !== this.#turn) return;
      this.rows = cursor === undefined ? page.items : [...this.rows, ...page.items];
      this.#next = page.next ?? null;
      this.failed = undefined;
    } catch (error) {
      if (own === this.#turn) this.failed = error;
    }
    if (own === this.#turn) this.loading = false;
  }
}
