// Samples around an alarm, for its chart.
import { api, type Schemas } from '../../api/client';
import { keyOf, readUnits, type Units } from '../../api/units';
import type { Band, Line } from '../../kit/chart';
import { curveOf, numberOf, together } from '../../kit/curves';
import { toneOf } from '../../kit/tones';

const BEFORE_MS = 15 * 60_000;
const AFTER_MS = 10 * 60_000;
const SAMPLES_MAX = 3_000;
const KEYS_MAX = 4;

export interface Samples {
  at: number[];
  lines: Line[];
  span: [number, number];
  units: Units;
}

/** Read what `device` sent of `keys` around a span; values of all keys share their moments. */
export async function readSamples(device: string, keys: string[], from: string, to: string | null): Promise<Samples> {
  const start = Date.parse(from) - BEFORE_MS;
  const end = Math.min(Date.now(), (to ? Date.parse(to) : Date.now()) + AFTER_MS);
  const wanted = keys.slice(0, KEYS_MAX);
  const [page, units] = await Promise.all([
    api.get('/history', {
      query: { devices: [device], keys: wanted, start: new Date(start).toISOString(), end: new Date(end).toISOString(), limit: SAMPLES_MAX },
    }),
    readUnits(device),
  ]);
  return { ...table(page.items, wanted, (key) => units[key] ?? ''), span: [start / 1000, end / 1000], units };
}

/** The telemetry keys of what a condition read, as far as they can be drawn. */
export function numericKeys(values: Record<string, unknown>): string[] {
  return Object.entries(values)
    .filter(([, value]) => typeof value === 'number')
    .map(([key]) => keyOf(key));
}

/** When an alarm was, in a chart. */
export function bandOf(alarm: Pick<Schemas['AlarmView'], 'raised_at' | 'cleared_at' | 'severity' | 'message'>): Band {
  return {
    from: Date.parse(alarm.raised_at) / 1000,
    to: alarm.cleared_at ? Date.parse(alarm.cleared_at) / 1000 : null,
    tone: toneOf(alarm.severity) as Band['tone'],
    label: alarm.message,
  };
}

interface Row { at: string; key: string; value?: unknown }

/** Put rows of single values into lines; where only another key has a sample a line is joined. */
export function table(rows: Row[], keys: string[], unitOf: (key: string) => string): { at: number[]; lines: Line[] } {
  const samples = new Map<string, Map<number, number>>(keys.map((key) => [key, new Map()]));
  for (const row of rows) {
    const value = numberOf(row.value);
    if (value !== null) samples.get(row.key)?.set(Date.parse(row.at) / 1000, value);
  }
  const held = [...samples].filter(([, values]) => values.size > 0);
  const curves = held.map(([, values]) => curveOf([...values].sort(([a], [b]) => a - b).map(([at, value]) => ({ at, value }))));
  const { at, columns } = together(curves);
  return { at, lines: held.map(([key], index) => ({ label: key, unit: unitOf(key), values: columns[index] ?? [] })) };
}
