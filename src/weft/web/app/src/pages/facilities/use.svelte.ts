// What machines did over a time and how well they were used: timelines and figures of facilities.
import { api, type Schemas } from '../../api/client';

export type Timeline = Schemas['TimelineView'];
export type Used = Schemas['UsedView'];
export type Facility = Schemas['FacilityUsed'];
export type Ratio = 'oee' | 'availability' | 'effectiveness' | 'quality_ratio' | 'utilisation';

export const RATIOS: Ratio[] = ['oee', 'availability', 'effectiveness', 'quality_ratio', 'utilisation'];
export const COMPARED_MAX = 20;
const AGAIN_MS = 15_000;
const BUCKETS: [hours: number, bucket: string][] = [[1, '5m'], [8, '30m'], [24, '1h'], [168, '12h'], [720, '1d']];

/** A share as people read it; a dash for what is not known. */
export const shareText = (value: number | null | undefined): string => (value == null ? '–' : `${(100 * value).toFixed(1)} %`);

export class Use {
  start = $state(0);
  end = $state(0);
  machines = $state.raw<Timeline[]>([]);
  facilities = $state.raw<Facility[]>([]);
  busy = $state(false);
  known = $state(false);
  failed = $state<unknown>();
  #turn = 0;

  /** Follow facilities over the last hours until the returned function is called. */
  follow(assets: string[], hours: number, timelines: boolean): () => void {
    this.#turn += 1;
    this.known = false;
    void this.#read(assets, hours, timelines);
    const timer = setInterval(() => {
      if (!document.hidden && !this.busy) void this.#read(assets, hours, timelines);
    }, AGAIN_MS);
    return () => clearInterval(timer);
  }

  async #read(assets: string[], hours: number, timelines: boolean): Promise<void> {
    const own = this.#turn;
    if (assets.length === 0) {
      this.machines = [];
      this.facilities = [];
      this.known = true;
      return;
    }
    this.busy = true;
    try {
      const end = new Date();
      const start = new Date(end.getTime() - hours * 3_600_000);
      const span = { start: start.toISOString(), end: end.toISOString() };
      const bucket = timelines ? BUCKETS.find(([most]) => hours <= most)?.[1] : undefined;
      const [used, drawn] = await Promise.all([
        api.get('/effectiveness', { query: { ...span, assets: assets.slice(0, COMPARED_MAX), bucket } }),
        Promise.all((timelines ? assets.slice(0, COMPARED_MAX) : []).map((asset_id) => api.get('/assets/{asset_id}/timeline', { path: { asset_id }, query: span }))),
      ]);
      if (own !== this.#turn) return;
      this.start = start.getTime();
      this.end = end.getTime();
      this.facilities = used.facilities;
      this.machines = drawn.flatMap((one) => one.machines);
      this.failed = undefined;
    } catch (error) {
      if (own === this.#turn) this.failed = error;
    }
    if (own === this.#turn) {
      this.busy = false;
      this.known = true;
    }
  }
}

const FIXED: Record<string, string> = { fault: 'bad', error: 'bad', alarm: 'bad', stopped: 'major', idle: 'warn', waiting: 'warn', setup: 'info', changeover: 'info', off: 'plain' };
const OTHERS = ['info', 'accent', 'warn', 'major'];

/** The tone of a state: good where the machine produces; the others by their words, in order. */
export function toneOf(state: string, producing: readonly string[]): string {
  if (producing.includes(state)) return 'good';
  const fixed = FIXED[state.toLowerCase()];
  if (fixed !== undefined) return fixed;
  let sum = 0;
  for (const letter of state) sum = (sum * 31 + letter.charCodeAt(0)) % 997;
  return OTHERS[sum % OTHERS.length] ?? 'info';
}
