import type { Page } from '../../pages';
import { shell } from '../../texts/en/shell';

export const page: Page = {
  name: 'rule',
  path: '/rules/:rule_id',
  parent: 'rules',
  title: shell.pages.rules,
  needs: 'rule.read',
  load: () => import('../rules/Editor.svelte'),
};
