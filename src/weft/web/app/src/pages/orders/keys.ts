// What a key does in the list of work orders; the help shows the same.
import type { Act } from './acts';

// None cancels: that is not undone by the far side, and stands in the bar.
export const KEYS: Readonly<Record<string, Act>> = { a: 'acknowledge', i: 'assign', c: 'comment', e: 'close', r: 'reopen' };
