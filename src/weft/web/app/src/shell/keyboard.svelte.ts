// Keys that work everywhere: `?` help, `/` or Ctrl-K search, `g` and a letter to a page.
import { pages } from '../pages';
import { router } from './router.svelte';

const WAIT_MS = 1200; // between `g` and its letter

class Keyboard {
  help = $state(false);
  palette = $state(false);
  #going = 0;

  pressed(event: KeyboardEvent): void {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
      event.preventDefault();
      this.palette = true;
      return;
    }
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector('dialog[open]')) return;
    if (Date.now() - this.#going < WAIT_MS) {
      this.#going = 0;
      const page = pages.find((one) => one.jump === event.key);
      if (page) {
        event.preventDefault();
        router.go(page.path);
      }
      return;
    }
    if (event.key === 'g') this.#going = Date.now();
    else if (event.key === '?') this.help = true;
    else if (event.key === '/') {
      event.preventDefault();
      this.palette = true;
    }
  }
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export const keyboard = new Keyboard();
