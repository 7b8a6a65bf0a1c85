// What a Chart shows.
import type { Tone } from './tones';

export interface Line {
  label: string;
  values: (number | null)[];
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
