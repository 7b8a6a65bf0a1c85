import type { Tone } from '../../kit/tones';

/** The colour of what came of an act. */
export function toneOfOutcome(outcome: string): Tone {
  if (outcome === 'done') return 'good';
  return outcome === 'denied' ? 'warn' : 'bad';
}
