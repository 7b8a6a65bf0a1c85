// A record that is changed in a form: only what was touched is sent, with the version that was read.
// Where somebody else was faster, what they did is laid under what is written here, said, and nothing
// is sent until the person has seen it.
import { Problem, wordsOf } from './client';
import { merged, patchOf, touched } from './patch';

interface Kept { version: number; attributes: Record<string, unknown> }

interface How<R extends Kept, W extends object> {
  /** The fields of a record, as they stand in the form. */
  written: (record: R) => W;
  /** Fields that were touched, as the API takes them. */
  body: (changed: Partial<W>) => Record<string, unknown>;
  read: (record: R) => Promise<R>;
  send: (record: R, body: Record<string, unknown>) => Promise<unknown>;
  /** Said where somebody else was faster. */
  stale: string;
}

const STALE = 412;

export class Editing<R extends Kept, W extends object> {
  fields = $state<W>({} as W);
  attributes = $state.raw<unknown>({});
  said = $state('');
  busy = $state(false);
  /** How often the form was filled anew. */
  round = $state(0);
  #before: R | null = null;

  constructor(private readonly how: How<R, W>) {}

  /** Fill the form with a record. */
  begin(record: R): void {
    this.#before = record;
    this.fields = this.how.written(record);
    this.attributes = record.attributes;
    this.said = '';
    this.round += 1;
  }

  /** Send what was touched; returns whether it is kept. */
  async save(): Promise<boolean> {
    const before = this.#before;
    if (before === null) return false;
    const changed = touched(this.how.written(before), $state.snapshot(this.fields) as W);
    const facts = patchOf(before.attributes, this.attributes as Record<string, unknown>);
    const body = { ...this.how.body(changed), ...(Object.keys(facts).length > 0 ? { attributes: facts } : {}) };
    if (Object.keys(body).length === 0) return true;
    this.busy = true;
    this.said = '';
    try {
      await this.how.send(before, body);
      return true;
    } catch (error) {
      this.said = wordsOf(error);
      if (error instanceof Problem && error.status === STALE) await this.#again(before, changed, facts);
      return false;
    } finally {
      this.busy = false;
    }
  }

  async #again(before: R, changed: Partial<W>, facts: Record<string, unknown>): Promise<void> {
    try {
      const now = await this.how.read(before);
      this.begin(now);
      this.fields = { ...this.how.written(now), ...changed };
      this.attributes = merged(now.attributes, facts);
      this.said = this.how.stale;
    } catch (error) {
      this.said = wordsOf(error);
    }
  }
}
