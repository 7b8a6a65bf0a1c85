import type { Page } from '../../pages';
import { shell } from '../../texts/en/shell';

export const page: Page = {
  name: 'explore',
  path: '/explore',
  title: shell.pages.explore,
  icon: 'explore',
  order: 10,
  jump: 'e',
  needs: 'history.read',
  load: () => import('./Explore.svelte'),
};
