// Samples as the curves of a Chart: a gap where nothing was sent, several on one axis of time.

export interface Sample { at: number; value?: unknown }
export interface Curve { at: number[]; values: (number | null)[] }
type Values = readonly (number | null | undefined)[];

const GAP_FACTOR = 4; // of the usual distance between samples

/** A curve with a null inside each stretch in which nothing came; moments are seconds, ascending. */
export function curveOf(samples: Sample[]): Curve {
  const at: number[] = [];
  const values: (number | null)[] = [];
  const usual = usualStep(samples.map((one) => one.at));
  for (const one of samples) {
    const before = at.at(-1);
    if (before !== undefined && usual > 0 && one.at - before > GAP_FACTOR * usual) {
      at.push((before + one.at) / 2);
      values.push(null);
    }
    at.push(one.at);
    values.push(numberOf(one.value));
  }
  return { at, values };
}

export function numberOf(value: unknown): number | null {
  if (typeof value === 'boolean') return value ? 1 : 0;
  return typeof value === 'number' ? value : null;
}

/** The median distance: a long gap does not make gaps usual. */
function usualStep(at: number[]): number {
  const steps = at.slice(1).map((moment, index) => moment - (at[index] ?? moment)).sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)] ?? 0;
}

/** Put curves on one axis; where only another has a sample (undefined) a curve is joined, not broken. */
export function together(curves: Curve[]): { at: number[]; columns: (number | null | undefined)[][] } {
  const at = [...new Set(curves.flatMap((curve) => curve.at))].sort((a, b) => a - b);
  const place = new Map(at.map((moment, index) => [moment, index]));
  const columns = curves.map((curve) => {
    const values: (number | null | undefined)[] = new Array(at.length).fill(undefined);
    curve.at.forEach((moment, index) => (values[place.get(moment) ?? 0] = curve.values[index]));
    return values;
  });
  return { at, columns };
}

/** Where a sample stands alone: no line goes to it, so that only a point shows it. */
export function aloneIn(values: Values): number[] {
  const found: number[] = [];
  let [before, last] = [false, -1]; // whether what came before is a number, and the newest that has nothing behind it yet
  values.forEach((value, index) => {
    if (value === undefined) return;
    if (typeof value === 'number') {
      if (before) last = -1;
      else last = index;
    } else if (last >= 0) {
      found.push(last);
      last = -1;
    }
    before = typeof value === 'number';
  });
  if (last >= 0) found.push(last);
  return found;
}
