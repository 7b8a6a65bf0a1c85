import type { Page } from '../../pages';
import { shell } from '../../texts/en/shell';

export const page: Page = {
  name: 'facilities',
  path: '/facilities',
  title: shell.pages.facilities,
  icon: 'facilities',
  order: 3,
  jump: 'f',
  needs: 'asset.read',
  load: () => import('./Facilities.svelte'),
};
