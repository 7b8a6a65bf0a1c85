import type { Page } from '../../pages';
import { shell } from '../../texts/en/shell';

export const page: Page = {
  name: 'rules',
  path: '/rules',
  title: shell.pages.rules,
  icon: 'rules',
  order: 7,
  jump: 'r',
  needs: 'rule.read',
  load: () => import('./Rules.svelte'),
};
