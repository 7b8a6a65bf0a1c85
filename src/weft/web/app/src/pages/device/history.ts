// Rows of the history as a chart takes them: one axis of time, a gap where nothing was sent.
import type { Line } from '../../kit/chart';

export type Rows = { at: string; value?: unknown }[];

const GAP_FACTOR = 4; // of the usual distance between samples

interface Curve { at: number[]; values: (number | null)[] }

/** A curve with a null inside each stretch in which nothing came. */
export function curveOf(rows: Rows, shift = 0): Curve {
  const at: number[] = [];
  const values: (number | null)[] = [];
  const usual = usualStep(rows.map((row) => Date.parse(row.at) / 1000));
  for (const row of rows) {
    const moment = Date.parse(row.at) / 1000 + shift;
    const before = at.at(-1);
    if (before !== undefined && usual > 0 && moment - before > GAP_FACTOR * usual) {
      at.push((before + moment) / 2);
      values.push(null);
    }
    at.push(moment);
    values.push(numberOf(row.value));
  }
  return { at, values };
}

function numberOf(value: unknown): number | null {
  if (typeof value === 'boolean') return value ? 1 : 0;
  return typeof value === 'number' ? value : null;
}

/** The median distance: a long gap does not make gaps usual. */
function usualStep(at: number[]): number {
  const steps = at.slice(1).map((moment, index) => moment - (at[index] ?? moment)).sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)] ?? 0;
}

/** Put two curves on one axis; where one has no sample it is joined, not broken. */
export function chartOf(key: string, unit: string, color: string, rows: Rows, older: Rows | null, shift: number, olderLabel: string): { at: number[]; lines: Line[] } {
  const now = curveOf(rows);
  if (older === null) return { at: now.at, lines: [{ label: key, unit, color, values: now.values }] };
  const then = curveOf(older, shift);
  const at = [...new Set([...now.at, ...then.at])].sort((a, b) => a - b);
  const spread = (curve: Curve): (number | null | undefined)[] => {
    const held = new Map(curve.at.map((moment, index) => [moment, curve.values[index]]));
    return at.map((moment) => (held.has(moment) ? held.get(moment) : undefined)); // undefined joins, null breaks
  };
  return {
    at,
    lines: [
      { label: key, unit, color, values: spread(now) as (number | null)[] },
      { label: olderLabel, unit, color: '--quiet', dashed: true, values: spread(then) as (number | null)[] },
    ],
  };
}
