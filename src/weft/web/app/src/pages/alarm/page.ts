import type { Page } from '../../pages';
import { shell } from '../../texts/en/shell';

export const page: Page = {
  name: 'alarm',
  path: '/alarms/:alarm_id',
  parent: 'alarms',
  title: shell.pages.alarms,
  needs: 'alarm.read',
  load: () => import('./Alarm.svelte'),
};
