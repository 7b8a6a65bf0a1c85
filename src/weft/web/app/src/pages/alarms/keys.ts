// What a key does in the list of alarms; the help shows the same.
import type { Act } from './acts';

export const KEYS: Readonly<Record<string, Act>> = {
  a: 'acknowledge', i: 'assign', s: 'shelve', u: 'unshelve', p: 'prioritise', c: 'comment', e: 'clear',
};
