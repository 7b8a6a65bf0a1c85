import type { Page } from '../../pages';
import { shell } from '../../texts/en/shell';

export const page: Page = {
  name: 'onboarding',
  path: '/onboarding',
  title: shell.pages.onboarding,
  icon: 'onboarding',
  order: 8,
  jump: 'n',
  needs: 'type.read',
  followsQuery: true,
  load: () => import('./Onboarding.svelte'),
};
