// A list of the API that is read page by page, as a Table shows it. An answer that comes behind a
// newer question is dropped; what cannot be read is told, and not asked for again by itself. What
// the stream tells meanwhile is put into it, and never undone by an answer that was asked before.
import type { PageOf } from './client';

export class Listing<Row> {
  rows = $state.raw<Row[]>([]);
  loading = $state(true);
  failed = $state<unknown>();
  #next = $state<string | null>(null);
  #turn = 0;
  #looking = false;
  #told = new Map<string, Row>(); // since the question that is on its way
  #belongs: (row: Row) => boolean = () => true;

  /** `ask` answers one page: the first, or that of a cursor. `key` names a row. */
  constructor(
    private readonly ask: (cursor?: string) => Promise<PageOf<Row>>,
    private readonly key: (row: Row) => string,
    /** Whether a row is an older state than what is shown, where rows have versions. */
    private readonly isOlder: (row: Row, shown: Row) => boolean = () => false,
  ) {}

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

  /**
   * Look again at the first page, unseen: what is shown behind it stays. For what no stream tells of;
   * who reads meanwhile has the newer answer.
   */
  look = async (): Promise<void> => {
    if (this.loading || this.#looking) return;
    const own = ++this.#turn;
    this.#looking = true;
    try {
      const page = await this.ask();
      if (own !== this.#turn) return;
      const last = page.items.at(-1);
      const end = last === undefined ? -1 : this.rows.findIndex((row) => this.key(row) === this.key(last));
      const behind = page.next && end >= 0 ? this.rows.slice(end + 1) : [];
      this.rows = [...page.items, ...behind];
      if (behind.length === 0) this.#next = page.next ?? null;
      this.failed = undefined;
    } catch (error) {
      if (own === this.#turn) this.failed = error;
    } finally {
      this.#looking = false;
    }
  };

  /** Put rows in that have changed, the newest last; what does not belong any more goes. */
  take(changed: Row[], belongs: (row: Row) => boolean): void {
    this.#belongs = belongs;
    if (this.loading) for (const row of changed) this.#told.set(this.key(row), row);
    this.#merge(changed);
  }

  #merge(changed: Row[]): void {
    const byKey = new Map(changed.map((row) => [this.key(row), row]));
    const kept: Row[] = [];
    for (const row of this.rows) {
      const now = byKey.get(this.key(row));
      byKey.delete(this.key(row));
      if (now === undefined || this.isOlder(now, row)) kept.push(row);
      else if (this.#belongs(now)) kept.push(now);
    }
    this.rows = [...[...byKey.values()].filter(this.#belongs).reverse(), ...kept];
  }

  async #take(cursor?: string): Promise<void> {
    const own = ++this.#turn;
    this.#told.clear();
    this.loading = true;
    try {
      const page = await this.ask(cursor);
      if (own !== this.#turn) return;
      const shown = new Set(cursor === undefined ? [] : this.rows.map(this.key));
      const fresh = page.items.filter((row) => !shown.has(this.key(row)));
      this.rows = cursor === undefined ? fresh : [...this.rows, ...fresh];
      this.#merge([...this.#told.values()]);
      this.#next = page.next ?? null;
      this.failed = undefined;
    } catch (error) {
      if (own === this.#turn) this.failed = error;
    }
    if (own === this.#turn) this.loading = false;
  }
}
