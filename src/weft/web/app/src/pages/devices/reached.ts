// How devices of a list are reached, as the stream tells it while one looks at them.
import type { Schemas } from '../../api/client';
import type { LiveEvent } from '../../api/live.svelte';

export type ReachedRow = Schemas['DeviceRow'] & {
  /** When it was seen to leave on this page. */
  left_at?: string | undefined;
};

export interface Told {
  /** Rows that are shown and have come or gone, as they are now. */
  changed: ReachedRow[];
  /** Devices that are not shown, as they are now. */
  others: { device_id: string; connected: boolean }[];
}

/** Put what was told of connections beside the rows; of one device the newest counts. */
export function told(rows: ReachedRow[], events: Pick<LiveEvent, 'device_id' | 'data'>[]): Told {
  const newest = new Map(events.map((event) => [event.device_id, event.data]));
  const changed: ReachedRow[] = [];
  for (const row of rows) {
    const data = newest.get(row.device_id);
    if (data === undefined) continue;
    newest.delete(row.device_id);
    const connected = data.change === 'connected';
    if (connected !== row.connected) changed.push({ ...row, connected, left_at: connected ? undefined : (data.record.ended_at ?? undefined) });
  }
  return { changed, others: [...newest].map(([device_id, data]) => ({ device_id, connected: data.change === 'connected' })) };
}

/** Which devices that are not shown have come to what is wanted, when more is told of others. */
export function fitting(held: ReadonlySet<string>, others: Told['others'], wanted: boolean): ReadonlySet<string> {
  const now = new Set(held);
  for (const one of others) {
    if (one.connected === wanted) now.add(one.device_id);
    else now.delete(one.device_id);
  }
  return now;
}
