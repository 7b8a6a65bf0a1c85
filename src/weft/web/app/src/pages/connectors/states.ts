import type { Tone } from '../../kit/tones';

/** The colour of a subscription's state. */
export function toneOfState(state: string): Tone {
  if (state === 'delivering') return 'good';
  if (state === 'retrying') return 'bad';
  return state === 'asking' ? 'info' : 'warn';
}
