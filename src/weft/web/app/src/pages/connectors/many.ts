// The same done to many things, a few at once; what went wrong is told, not hidden.
import { wordsOf } from '../../api/client';

const AT_ONCE = 4;

export interface Told {
  done: number;
  failed: string[];
}

/** Do it to each; `left` hears how many are still to be done. */
export async function doMany<T>(items: readonly T[], act: (item: T) => Promise<unknown>, left: (count: number) => void = () => undefined): Promise<Told> {
  const waiting = [...items];
  const told: Told = { done: 0, failed: [] };
  let open = waiting.length;
  left(open);
  async function work(): Promise<void> {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      try {
        await act(item);
        told.done++;
      } catch (error) {
        told.failed.push(wordsOf(error));
      }
      left(--open);
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return told;
}
