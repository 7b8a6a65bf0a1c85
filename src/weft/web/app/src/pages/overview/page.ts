import type { Page } from '../../pages';
import { shell } from '../../texts/en/shell';

export const page: Page = {
  name: 'overview',
  path: '/overview',
  title: shell.pages.overview,
  icon: 'overview',
  order: 1,
  jump: 'o',
  load: () => import('./Overview.svelte'),
};
