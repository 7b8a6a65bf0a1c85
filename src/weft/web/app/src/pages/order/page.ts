import type { Page } from '../../pages';
import { shell } from '../../texts/en/shell';

export const page: Page = {
  name: 'order',
  path: '/work-orders/:work_order_id',
  parent: 'orders',
  title: shell.pages.orders,
  needs: 'work_order.read',
  load: () => import('./Order.svelte'),
};
