import type { Page } from '../../pages';
import { shell } from '../../texts/en/shell';

export const page: Page = {
  name: 'device',
  path: '/devices/:device_id',
  parent: 'devices',
  title: shell.pages.device,
  needs: 'device.read',
  load: () => import('./Device.svelte'),
};
