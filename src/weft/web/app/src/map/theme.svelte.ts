// The palette of the theme in force, as state: by choice, else as the system says.
import { DARK, LIGHT, type Palette } from './palette';

export class ThemePalette {
  current = $state.raw<Palette>(chosen());

  /** Follow the theme until the returned function is called. */
  start(): () => void {
    const again = (): void => void (this.current = chosen());
    const dark = window.matchMedia('(prefers-color-scheme: dark)');
    window.addEventListener('weft-theme', again);
    dark.addEventListener('change', again);
    return () => {
      window.removeEventListener('weft-theme', again);
      dark.removeEventListener('change', again);
    };
  }
}

function chosen(): Palette {
  const named = document.documentElement.dataset['theme'];
  const dark = named === undefined ? window.matchMedia('(prefers-color-scheme: dark)').matches : named === 'dark';
  return dark ? DARK : LIGHT;
}
