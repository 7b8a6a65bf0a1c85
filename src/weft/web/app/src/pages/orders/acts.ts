// What can be done with work orders, one or many.
import { api, type Schemas } from '../../api/client';
import { doMany } from '../../kit/many';

export type Order = Schemas['WorkOrderView'];
export type Act = 'acknowledge' | 'assign' | 'comment' | 'close' | 'cancel' | 'reopen';

export const ACTS: readonly Act[] = ['acknowledge', 'assign', 'comment', 'close', 'cancel', 'reopen'];

export interface Words {
  comment: string;
  to: string;
  /** What becomes of its alarms when it is closed; empty: as the rule says. */
  alarms: '' | Schemas['OnClose'];
}

export const NO_WORDS: Words = { comment: '', to: '', alarms: '' };

export const hasEnded = (order: Order): boolean => order.state === 'closed' || order.state === 'cancelled';

/** Whether there is anything to be done: one that has ended is not closed again. */
export function fits(act: Act, order: Order): boolean {
  if (act === 'comment') return true;
  if (act === 'reopen') return hasEnded(order);
  return !hasEnded(order) && (act !== 'acknowledge' || !order.acknowledged_at);
}

export function perform(act: Act, order: Order, { comment, to, alarms }: Words): Promise<Order> {
  const path = { work_order_id: order.work_order_id };
  switch (act) {
    case 'acknowledge': return api.post('/work-orders/{work_order_id}/acknowledge', { path });
    case 'assign': return api.post('/work-orders/{work_order_id}/assign', { path, body: { to } });
    case 'comment': return api.post('/work-orders/{work_order_id}/comment', { path, body: { comment } });
    case 'close': return api.post('/work-orders/{work_order_id}/close', { path, body: { comment, alarms: alarms || null } });
    case 'cancel': return api.post('/work-orders/{work_order_id}/cancel', { path, body: { comment } });
    case 'reopen': return api.post('/work-orders/{work_order_id}/reopen', { path, body: { comment } });
  }
}

export interface Told {
  changed: Order[];
  /** What went wrong, each with the order's title. */
  failed: string[];
}

/** Do it to each that it fits, a few at once; `left` hears how many are still to be done. */
export async function performMany(act: Act, orders: Order[], words: Words, left: (count: number) => void): Promise<Told> {
  const changed: Order[] = [];
  const each = async (order: Order): Promise<void> => void changed.push(await perform(act, order, words));
  const { failed } = await doMany(orders.filter((order) => fits(act, order)), each, { left, name: (order) => order.title });
  return { changed, failed };
}
