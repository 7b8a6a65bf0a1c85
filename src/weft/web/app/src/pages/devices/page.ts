import type { Page } from '../../pages';
import { shell } from '../../texts/en/shell';

export const page: Page = {
  name: 'devices',
  path: '/devices',
  title: shell.pages.devices,
  icon: 'devices',
  order: 4,
  jump: 'd',
  needs: 'device.read',
  load: () => import('./Devices.svelte'),
};
