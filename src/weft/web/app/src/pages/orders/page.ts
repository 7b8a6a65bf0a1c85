import type { Page } from '../../pages';
import { shell } from '../../texts/en/shell';

export const page: Page = {
  name: 'orders',
  path: '/work-orders',
  title: shell.pages.orders,
  icon: 'orders',
  order: 6,
  jump: 'w',
  needs: 'work_order.read',
  load: () => import('./Orders.svelte'),
};
