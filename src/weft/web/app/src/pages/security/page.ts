import type { Page } from '../../pages';
import { shell } from '../../texts/en/shell';

export const page: Page = {
  name: 'security',
  path: '/security',
  title: shell.pages.security,
  icon: 'security',
  order: 11,
  jump: 's',
  needs: 'session.manage',
  load: () => import('./Security.svelte'),
};
