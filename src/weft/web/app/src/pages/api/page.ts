import type { Page } from '../../pages';
import { shell } from '../../texts/en/shell';

// `/api` itself is the API's own.
export const page: Page = {
  name: 'api',
  path: '/reference',
  title: shell.pages.api,
  icon: 'api',
  order: 12,
  jump: 'p',
  needs: 'openapi.read',
  followsQuery: true,
  load: () => import('./Reference.svelte'),
};
