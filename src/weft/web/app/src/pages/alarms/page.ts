import type { Page } from '../../pages';
import { shell } from '../../texts/en/shell';

export const page: Page = {
  name: 'alarms',
  path: '/alarms',
  title: shell.pages.alarms,
  icon: 'alarms',
  order: 5,
  jump: 'a',
  needs: 'alarm.read',
  load: () => import('./Alarms.svelte'),
};
