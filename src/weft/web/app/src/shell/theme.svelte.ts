// Light or dark: as the system says, until somebody chooses here.
export type Theme = 'system' | 'light' | 'dark';
const KEY = 'weft-theme';

class ThemeChoice {
  choice = $state<Theme>(read());

  apply(): void {
    if (this.choice === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = this.choice;
  }

  choose(choice: Theme): void {
    this.choice = choice;
    localStorage.setItem(KEY, choice);
    this.apply();
    window.dispatchEvent(new Event('weft-theme'));
  }
}

function read(): Theme {
  const kept = localStorage.getItem(KEY);
  return kept === 'light' || kept === 'dark' ? kept : 'system';
}

export const theme = new ThemeChoice();
