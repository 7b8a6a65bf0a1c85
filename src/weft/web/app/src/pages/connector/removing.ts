// Taking a connector away: asked first; while something uses it, that is named and asked again.
import { api, Problem } from '../../api/client';
import { confirm } from '../../kit/confirm.svelte';
import { attempt, toasts } from '../../kit/toasts.svelte';
import { connectors as text } from '../../texts/en/connectors';

/** Returns whether it is gone. */
export async function remove(name: string): Promise<boolean> {
  if (!(await confirm({ title: text.deleteTitle(name), text: text.deleteText, act: text.remove }))) return false;
  try {
    await api.delete('/connectors/{name}', { path: { name } });
    toasts.say(text.removed);
    return true;
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'conflict') return attempt(() => Promise.reject(error), '');
    const question = { title: text.inUseTitle(name), text: `${error.detail} ${text.inUseText}`, act: text.deleteAnyway };
    if (!(await confirm(question))) return false;
    return attempt(() => api.delete('/connectors/{name}', { path: { name }, query: { force: true } }), text.removed);
  }
}
