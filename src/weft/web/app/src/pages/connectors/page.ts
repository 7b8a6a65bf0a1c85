import type { Page } from '../../pages';
import { shell } from '../../texts/en/shell';

export const page: Page = {
  name: 'connectors',
  path: '/connectors',
  title: shell.pages.connectors,
  icon: 'connectors',
  order: 9,
  jump: 'c',
  needs: 'connector.read',
  followsQuery: true,
  load: () => import('./Connectors.svelte'),
};
