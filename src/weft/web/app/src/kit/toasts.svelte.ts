// Short words on what was done, with a way back where there is one.
import { wordsOf } from '../api/client';

export interface Toast {
  id: number;
  text: string;
  tone: 'good' | 'bad' | 'plain';
  undo?: () => void | Promise<void>;
}

const LIFE_MS = 6_000;

class Toasts {
  items = $state<Toast[]>([]);
  #next = 1;

  say(text: string, { tone = 'good', undo }: { tone?: Toast['tone']; undo?: Toast['undo'] } = {}): void {
    const toast: Toast = { id: this.#next++, text, tone, undo };
    this.items = [...this.items.slice(-3), toast];
    // What went wrong stays until it is read.
    if (tone !== 'bad') setTimeout(() => this.drop(toast.id), undo ? 2 * LIFE_MS : LIFE_MS);
  }

  drop(id: number): void {
    this.items = this.items.filter((toast) => toast.id !== id);
  }
}

export const toasts = new Toasts();

/** Do something and say what came of it; returns whether it went well. */
export async function attempt(act: () => Promise<unknown>, done: string, undo?: () => void | Promise<void>): Promise<boolean> {
  try {
    await act();
    if (done) toasts.say(done, { undo });
    return true;
  } catch (error) {
    toasts.say(wordsOf(error), { tone: 'bad' });
    return false;
  }
}
