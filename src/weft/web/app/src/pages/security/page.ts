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
  followsQuery: true,
  load: () => import('./Security.svelte'),
};
