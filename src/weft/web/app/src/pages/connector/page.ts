import type { Page } from '../../pages';
import { shell } from '../../texts/en/shell';

export const page: Page = {
  name: 'connector',
  path: '/connectors/:name',
  parent: 'connectors',
  title: shell.pages.connectors,
  needs: 'connector.read',
  load: () => import('./Connector.svelte'),
};
