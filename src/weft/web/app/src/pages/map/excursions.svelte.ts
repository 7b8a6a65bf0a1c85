// Excursions and detours: open alarms of rules that ask where a device is (fences, routes), as
// they happen, each with the way that its device has gone since shortly before.
import type { Feature } from 'geojson';
import { api, readAll, type Schemas } from '../../api/client';
import { live } from '../../api/live.svelte';
import { session } from '../../api/session.svelte';
import type { Position } from '../../map/shapes';

export type Alarm = Schemas['AlarmView'];

const ASKS = /\b(inside|outside|enters|leaves|distance|off_route|late_by|eta|dwell|overstays|missed_stop|next_stop)\s*\(/;
const WAYS_MAX = 12; // the newest are drawn; all are listed
const BEFORE_MS = 5 * 60_000; // of the way, to see where it left
const WAY_EVERY_MS = 5_000;
const READ_MS = 300; // alarms that come together are read together

export class Excursions {
  alarms = $state.raw<Alarm[]>([]);
  /** Whether any rule watches positions. */
  watched = $state(true);
  known = $state(false);
  failed = $state<unknown>();
  /** The newest one, in words, for those who hear the page. */
  said = $state.raw<Alarm | null>(null);
  ways = $state.raw<ReadonlyMap<string, Position[]>>(new Map());
  readonly devices = $derived(new Set(this.alarms.map((alarm) => alarm.device_id)));
  #reading: ReturnType<typeof setTimeout> | undefined;

  start(): () => void {
    void this.read();
    const leave = live.watch({ kinds: ['alarm'], on: () => this.#soon(), again: () => this.read() });
    const timer = setInterval(() => {
      if (!document.hidden && this.alarms.length > 0) void this.#readWays();
    }, WAY_EVERY_MS);
    return () => {
      leave();
      clearInterval(timer);
      clearTimeout(this.#reading);
    };
  }

  #soon(): void {
    clearTimeout(this.#reading);
    this.#reading = setTimeout(() => void this.read(), READ_MS);
  }

  async read(): Promise<void> {
    if (!session.may('alarm.read') || !session.may('rule.read')) return;
    try {
      const [rules, alarms] = await Promise.all([
        readAll((cursor) => api.get('/rules', { query: { limit: 500, cursor } }), 2000),
        readAll((cursor) => api.get('/alarms', { query: { open: true, limit: 500, cursor } }), 2000),
      ]);
      const asking = new Set(rules.filter((rule) => ASKS.test(`${rule.document['when'] ?? ''} ${rule.document['clear'] ?? ''}`)).map((rule) => rule.rule_id));
      const before = new Set(this.alarms.map((alarm) => alarm.alarm_id));
      const found = alarms.filter((alarm) => asking.has(alarm.rule_id)).sort((a, b) => b.raised_at.localeCompare(a.raised_at));
      const fresh = found.find((alarm) => !before.has(alarm.alarm_id));
      if (this.known && fresh !== undefined) this.said = fresh;
      this.watched = asking.size > 0;
      this.alarms = found;
      this.failed = undefined;
      this.known = true;
      await this.#readWays();
    } catch (error) {
      this.failed = error;
    }
  }

  async #readWays(): Promise<void> {
    const shown = this.alarms.slice(0, WAYS_MAX);
    const ways = new Map<string, Position[]>();
    await Promise.all(
      shown.map(async ({ alarm_id, device_id, raised_at }) => {
        const start = new Date(Date.parse(raised_at) - BEFORE_MS).toISOString();
        const trail = await api.get('/devices/{device_id}/trail', { path: { device_id }, query: { start, points: 300 } }).catch(() => null);
        // A device that is gone, or says nothing of its place, has no way; the alarm is listed.
        if (trail !== null) ways.set(alarm_id, trail.longitude.map((x, index): Position => [x, trail.latitude[index] ?? 0]));
      }),
    );
    this.ways = ways;
  }

  /** Ways and where they have come to, to be drawn. */
  features(): Feature[] {
    return [...this.ways.entries()].flatMap(([alarm, way]): Feature[] => {
      const last = way[way.length - 1];
      if (last === undefined) return [];
      const properties = { alarm };
      const end: Feature = { type: 'Feature', properties, geometry: { type: 'Point', coordinates: last } };
      return way.length < 2 ? [end] : [{ type: 'Feature', properties, geometry: { type: 'LineString', coordinates: way } }, end];
    });
  }
}
