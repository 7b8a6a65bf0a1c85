// What is not saved yet is not left unseen: whoever goes elsewhere is asked first, by whatever way,
// and the browser asks whoever closes or reloads the page.
import { confirm } from '../kit/confirm.svelte';
import { shell as text } from '../texts/en/shell';

type Changed = () => boolean;

class Leaving {
  #kept = new Set<Changed>();

  constructor() {
    window.addEventListener('beforeunload', (event) => {
      if (this.unsaved) event.preventDefault(); // the browser asks in words of its own
    });
  }

  /** Whether something would be lost now. */
  get unsaved(): boolean {
    return [...this.#kept].some((changed) => changed());
  }

  add(changed: Changed): () => void {
    this.#kept.add(changed);
    return () => void this.#kept.delete(changed);
  }

  /** Whether one may go: at once where nothing would be lost, or by somebody's word. */
  async ask(): Promise<boolean> {
    return !this.unsaved || (await confirm({ title: text.leaveTitle, text: text.leaveText, act: text.leave }));
  }
}

export const leaving = new Leaving();

/** Have what this component holds asked about as long as it is shown and `changed` says so. */
export function keepUnsaved(changed: Changed): void {
  $effect(() => leaving.add(changed));
}
