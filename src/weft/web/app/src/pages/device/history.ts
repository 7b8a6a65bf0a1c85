// Rows of the history as a chart takes them: one axis of time, a gap where nothing was sent.
import type { Schemas } from '../../api/client';
import type { Line } from '../../kit/chart';
import { curveOf as curve, together, type Curve } from '../../kit/curves';

export type Rows = { at: string; value?: unknown }[];

/** A curve with a null inside each stretch in which nothing came; `shift` seconds later. */
export function curveOf(rows: Rows, shift = 0): Curve {
  return curve(rows.map((row) => ({ at: Date.parse(row.at) / 1000 + shift, value: row.value })));
}

/** Put two periods on one axis; where one has no sample it is joined, not broken. */
export function chartOf(key: string, unit: string, color: string, rows: Rows, older: Rows | null, shift: number, olderLabel: string): { at: number[]; lines: Line[] } {
  const { at, columns } = together([curveOf(rows), ...(older ? [curveOf(older, shift)] : [])]);
  const looks: Omit<Line, 'values'>[] = [{ label: key, unit, color }, { label: olderLabel, unit, color: '--quiet', dashed: true }];
  return { at, lines: columns.map((values, index) => ({ ...(looks[index] as Line), values })) };
}

/** Whether a key's values make a line: what came last says it, then its type; what nobody knows may. */
export function drawable(key: string, type: Schemas['TypeView'] | null, twin: Schemas['TwinView'] | undefined): boolean {
  const last = twin?.telemetry[key];
  if (last) return typeof last.value === 'number' || typeof last.value === 'boolean';
  const declared = type?.telemetry[key]?.type;
  return declared === undefined || ['number', 'integer', 'boolean'].includes(declared);
}
