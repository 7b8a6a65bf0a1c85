// Sending dead things again, one or many: asked first, then told what came of it.
import { confirm } from '../../kit/confirm.svelte';
import { doMany } from '../../kit/many';
import { toasts } from '../../kit/toasts.svelte';
import { connectors as text } from '../../texts/en/connectors';

/** Returns whether anything was done. */
export async function redriveMany<T>(items: readonly T[], act: (item: T) => Promise<unknown>, left?: (count: number) => void): Promise<boolean> {
  if (items.length === 0) return false;
  const question = { title: text.redriveTitle(items.length), text: text.redriveText, act: text.redrive, danger: false };
  if (!(await confirm(question))) return false;
  const told = await doMany(items, act, { left });
  const [why] = told.failed;
  if (why === undefined) toasts.say(text.redriven(told.done));
  else toasts.say(text.redrivenPart(told.done, told.failed.length, why), { tone: 'bad' });
  return true;
}
