// What can be done with alarms, one or many.
import { api, type Schemas } from '../../api/client';
import { doMany } from '../../kit/many';

export type Alarm = Schemas['AlarmView'];
export type Act = 'acknowledge' | 'assign' | 'shelve' | 'unshelve' | 'clear' | 'comment' | 'prioritise';

export interface Words {
  comment: string;
  user: string;
  duration: string;
  priority: Schemas['Priority'];
}

/** The policy's action behind each, so that what would be refused is not offered. */
export const RIGHT: Record<Act, string> = {
  acknowledge: 'alarm.acknowledge',
  assign: 'alarm.assign',
  shelve: 'alarm.shelve',
  unshelve: 'alarm.shelve',
  clear: 'alarm.clear',
  comment: 'alarm.comment',
  prioritise: 'alarm.prioritise',
};

/** Whether there is anything to be done: a cleared alarm is not acknowledged. */
export function fits(act: Act, alarm: Alarm): boolean {
  if (act === 'comment') return true;
  if (alarm.state === 'cleared') return false;
  if (act === 'acknowledge') return alarm.state === 'active';
  if (act === 'shelve') return alarm.shelved === null;
  if (act === 'unshelve') return alarm.shelved !== null;
  return true;
}

export function perform(act: Act, alarm: Alarm, words: Words): Promise<Alarm> {
  const path = { alarm_id: alarm.alarm_id };
  const comment = words.comment;
  const ifMatch = alarm.version;
  switch (act) {
    case 'acknowledge': return api.post('/alarms/{alarm_id}/acknowledge', { path, body: { comment }, ifMatch });
    case 'assign': return api.post('/alarms/{alarm_id}/assign', { path, body: { user: words.user || null, comment }, ifMatch });
    case 'shelve': return api.post('/alarms/{alarm_id}/shelve', { path, body: { duration: words.duration, reason: comment }, ifMatch });
    case 'unshelve': return api.post('/alarms/{alarm_id}/unshelve', { path, body: { comment }, ifMatch });
    case 'clear': return api.post('/alarms/{alarm_id}/clear', { path, body: { comment }, ifMatch });
    case 'comment': return api.post('/alarms/{alarm_id}/comments', { path, body: { comment } });
    case 'prioritise': return api.post('/alarms/{alarm_id}/priority', { path, body: { priority: words.priority, comment }, ifMatch });
  }
}

export interface Told {
  changed: Alarm[];
  /** What went wrong, each with the alarm's message. */
  failed: string[];
}

/** Do it to each that it fits, a few at once; `left` hears how many are still to be done. */
export async function performMany(act: Act, alarms: Alarm[], words: Words, left: (count: number) => void): Promise<Told> {
  const changed: Alarm[] = [];
  const each = async (alarm: Alarm): Promise<void> => void changed.push(await perform(act, alarm, words));
  const { failed } = await doMany(alarms.filter((alarm) => fits(act, alarm)), each, { left, name: (alarm) => alarm.subject });
  return { changed, failed };
}
