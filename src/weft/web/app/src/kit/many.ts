// The same done to many things, a few at once; what went wrong is told, not hidden.
import { wordsOf } from '../api/client';

const AT_ONCE = 4;

export interface Told {
  done: number;
  /** What went wrong, in words, each with the thing's name where it is given. */
  failed: string[];
}

interface How<T> {
  /** Hears how many are still to be done. */
  left?: (count: number) => void;
  name?: (item: T) => string;
}

/** Do it to each, whatever becomes of the others. */
export async function doMany<T>(items: readonly T[], act: (item: T) => Promise<unknown>, { left, name }: How<T> = {}): Promise<Told> {
  const waiting = items.values(); // shared by the workers: each takes the next
  const told: Told = { done: 0, failed: [] };
  let open = items.length;
  left?.(open);
  async function work(): Promise<void> {
    for (const item of waiting) {
      try {
        await act(item);
        told.done++;
      } catch (error) {
        told.failed.push(name ? `${name(item)}: ${wordsOf(error)}` : wordsOf(error));
      }
      left?.(--open);
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return told;
}
