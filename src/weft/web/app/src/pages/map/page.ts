import type { Page } from '../../pages';
import { shell } from '../../texts/en/shell';

export const page: Page = {
  name: 'map',
  path: '/map',
  title: shell.pages.map,
  icon: 'map',
  order: 2,
  jump: 'm',
  needs: 'twin.read',
  load: () => import('./Map.svelte'),
};
