// Samples around an alarm, for its chart.
import { api } from '../../api/client';
import type { Line } from '../../kit/chart';

const BEFORE_MS = 15 * 60_000;
const AFTER_MS = 10 * 60_000;
const SAMPLES_MAX = 3_000;
const KEYS_MAX = 4;

export interface Samples {
  at: number[];
  lines: Line[];
  span: [number, number];
}

/** Read what `device` sent of `keys` around a span; values of all keys share their moments. */
export async function readSamples(device: string, keys: string[], from: string, to: string | null): Promise<Samples> {
  const start = Date.parse(from) - BEFORE_MS;
  const end = Math.min(Date.now(), (to ? Date.parse(to) : Date.now()) + AFTER_MS);
  const wanted = keys.slice(0, KEYS_MAX);
  const page = await api.get('/history', {
    query: { devices: [device], keys: wanted, start: new Date(start).toISOString(), end: new Date(end).toISOString(), limit: SAMPLES_MAX },
  });
  return { ...table(page.items, wanted), span: [start / 1000, end / 1000] };
}

/** The telemetry keys of what a condition read, as far as they can be drawn. */
export function numericKeys(values: Record<string, unknown>): string[] {
  return Object.entries(values)
    .filter(([, value]) => typeof value === 'number')
    .map(([key]) => key.replace(/^telemetry\./, ''));
}

interface Row { at: string; key: string; value?: unknown }

/** Put rows of single values into columns by moment; a key that says nothing there is a gap. */
export function table(rows: Row[], keys: string[]): { at: number[]; lines: Line[] } {
  const moments = new Map<number, Map<string, number>>();
  for (const row of rows) {
    const value = typeof row.value === 'boolean' ? Number(row.value) : row.value;
    if (typeof value !== 'number') continue;
    const at = Date.parse(row.at) / 1000;
    let values = moments.get(at);
    if (!values) moments.set(at, (values = new Map()));
    values.set(row.key, value);
  }
  const at = [...moments.keys()].sort((a, b) => a - b);
  const lines = keys.map((key) => ({ label: key, values: at.map((one) => moments.get(one)?.get(key) ?? null) }));
  return { at, lines: lines.filter((line) => line.values.some((value) => value !== null)) };
}
