// What a Chart shows, and where in it one is.
import type { Tone } from './tones';

export interface Line {
  label: string;
  /** Beside the chart's moments: null is a gap, and where it is undefined only others have a sample. */
  values: (number | null | undefined)[];
  unit?: string;
  /** A custom property, as `--series-2`. */
  color?: string;
  /** For what is compared with, as the period before. */
  dashed?: boolean;
  step?: boolean;
}

export interface Band {
  from: number;
  /** Now, where it still goes on. */
  to: number | null;
  tone?: Exclude<Tone, 'plain' | 'accent'>;
  label?: string;
}

/** From when until when, in seconds since 1970. */
export type Span = [number, number];

const NARROWEST_S = 0.1;

/** `view` with its width times `factor`, `around` staying where it is; null where that is all of `whole`. */
export function scaled(view: Span, around: number, factor: number, whole: Span): Span | null {
  const width = Math.max(NARROWEST_S, (view[1] - view[0]) * factor);
  if (width >= whole[1] - whole[0]) return null;
  const share = Math.min(1, Math.max(0, (around - view[0]) / (view[1] - view[0])));
  return within([around - share * width, around + (1 - share) * width], whole);
}

/** `view` moved by a share of its width, as far as `whole` goes. */
export function moved(view: Span, share: number, whole: Span): Span {
  const by = share * (view[1] - view[0]);
  return within([view[0] + by, view[1] + by], whole);
}

function within([from, to]: Span, whole: Span): Span {
  const back = Math.max(0, whole[0] - from) - Math.max(0, to - whole[1]);
  return [from + back, to + back];
}

/** What the keys stop at in `view`: each moment at which a line has a sample, and where a band begins. */
export function stopsOf(at: number[], lines: Line[], bands: Band[], view: Span): number[] {
  const samples = at.filter((_, index) => lines.some((line) => typeof line.values[index] === 'number'));
  const stops = [...samples, ...bands.map((band) => band.from)].filter((one) => one >= view[0] && one <= view[1]);
  return [...new Set(stops)].sort((a, b) => a - b);
}

/** The bands that `moment` lies in, give or take `near` seconds. */
export function bandsAt(bands: Band[], moment: number, near: number, now: number): Band[] {
  return bands.filter((band) => band.from - near <= moment && moment <= (band.to ?? now) + near);
}
