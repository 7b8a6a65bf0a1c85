// Keys that work everywhere: `?` help, `/` or Ctrl-K search, `g` and a letter to a page. The letter behind
// `g` is the shell's, whatever it does in the list that one stands in.
import { pages } from '../pages';
import { router } from './router.svelte';

const WAIT_MS = 1200; // between `g` and its letter

class Keyboard {
  help = $state(false);
  palette = $state(false);
  #going = -Infinity; // when `g` was pressed

  /** Before anything in the page hears a key: the letter behind `g`. */
  first(event: KeyboardEvent): void {
    if (event.timeStamp - this.#going >= WAIT_MS) return;
    if (event.key === 'Shift') return; // on the way to a letter
    this.#going = -Infinity;
    if (!isOurs(event) || event.key.length !== 1 || event.key === ' ') return;
    // One that names no page does nothing: who meant to go somewhere has not meant the row.
    event.preventDefault();
    event.stopPropagation();
    const page = pages.find((one) => one.jump === event.key);
    if (page) router.go(page.path);
  }

  pressed(event: KeyboardEvent): void {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
      event.preventDefault();
      this.palette = true;
      return;
    }
    if (event.defaultPrevented || !isOurs(event)) return;
    if (event.key === 'g') this.#going = event.timeStamp;
    else if (event.key === '?') this.help = true;
    else if (event.key === '/') {
      event.preventDefault();
      this.palette = true;
    }
  }
}

/** Whether a key can be meant for the shell: nothing is typed, and no dialog is open. */
function isOurs(event: KeyboardEvent): boolean {
  return !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target) && document.querySelector('dialog[open]') === null;
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement && /^(checkbox|radio|button|submit)$/.test(target.type)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

export const keyboard = new Keyboard();
