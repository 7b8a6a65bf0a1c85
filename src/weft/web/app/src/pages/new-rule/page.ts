import type { Page } from '../../pages';
import { rules as text } from '../../texts/en/rules';

export const page: Page = {
  name: 'new-rule',
  path: '/new-rule',
  parent: 'rules',
  title: text.new,
  needs: 'rule.write',
  load: () => import('../rules/Editor.svelte'),
};
