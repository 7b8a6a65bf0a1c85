// Where what an alarm is about is shown, as far as it has a page; a group has none.
import type { Alarm } from './acts';

export function subjectLink(alarm: Alarm): string {
  if (alarm.device_id) return `/devices/${encodeURIComponent(alarm.device_id)}`;
  return alarm.asset ? `/facilities?asset=${encodeURIComponent(alarm.asset)}` : '';
}
