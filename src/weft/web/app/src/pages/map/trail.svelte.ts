// Where the chosen device has been.
import type { Feature } from 'geojson';
import { api, type Schemas } from '../../api/client';
import type { Position } from '../../map/shapes';

const AGAIN_MS = 10_000;

export class Trail {
  hours = $state(1);
  found = $state.raw<Schemas['TrailView'] | null>(null);
  /** Which of its points is looked at; the last one by itself. */
  at = $state(-1);
  failed = $state<unknown>();
  busy = $state(false);
  #device = '';

  /** Follow a device until the returned function is called. */
  follow(device: string): () => void {
    this.#device = device;
    this.found = null;
    void this.read();
    const timer = setInterval(() => {
      if (!document.hidden && this.hours <= 24) void this.read();
    }, AGAIN_MS);
    return () => {
      clearInterval(timer);
      this.#device = '';
      this.found = null;
    };
  }

  /** Look further back, or less far. */
  look(hours: number): void {
    if (hours === this.hours) return;
    this.hours = hours;
    this.at = -1;
    void this.read();
  }

  async read(): Promise<void> {
    const device = this.#device;
    const { hours } = this;
    if (!device) return;
    if (hours === 0) {
      this.found = null;
      return;
    }
    this.busy = this.found === null;
    try {
      const start = new Date(Date.now() - hours * 3_600_000).toISOString();
      const found = await api.get('/devices/{device_id}/trail', { path: { device_id: device }, query: { start, points: 2000 } });
      if (device !== this.#device || hours !== this.hours) return;
      this.found = found;
      this.failed = undefined;
    } catch (error) {
      this.failed = error;
    }
    this.busy = false;
  }

  positions(): Position[] {
    const { found } = this;
    return found === null ? [] : found.longitude.map((x, index): Position => [x, found.latitude[index] ?? 0]);
  }

  /** The point that is looked at. */
  get index(): number {
    const last = (this.found?.at_ms.length ?? 0) - 1;
    return this.at < 0 ? last : Math.min(this.at, last);
  }

  features(): Feature[] {
    const positions = this.positions();
    const here = positions[this.index];
    if (here === undefined) return [];
    const point: Feature = { type: 'Feature', properties: {}, geometry: { type: 'Point', coordinates: here } };
    if (positions.length < 2) return [point];
    return [{ type: 'Feature', properties: {}, geometry: { type: 'LineString', coordinates: positions } }, point];
  }
}
