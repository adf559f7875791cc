/** Light, dark, or as the system says; and whether things may move. */
export type Theme = 'auto' | 'light' | 'dark';

const KEY = 'huntcore.theme';
const ORDER: readonly Theme[] = ['auto', 'light', 'dark'];

class Appearance {
  theme = $state<Theme>('auto');
  systemDark = $state(false);
  /** The player asked the system for less motion. */
  still = $state(false);
  readonly dark = $derived(this.theme === 'dark' || (this.theme === 'auto' && this.systemDark));

  start(): void {
    const stored = read();
    if (stored !== null) this.theme = stored;
    follow('(prefers-color-scheme: dark)', (matches) => (this.systemDark = matches));
    follow('(prefers-reduced-motion: reduce)', (matches) => (this.still = matches));
  }

  next(): void {
    this.theme = ORDER[(ORDER.indexOf(this.theme) + 1) % ORDER.length] ?? 'auto';
    try {
      localStorage.setItem(KEY, this.theme);
    } catch {
      // Not kept, then; it still holds for this visit.
    }
  }
}

export const appearance = new Appearance();

function read(): Theme | null {
  try {
    const stored = localStorage.getItem(KEY);
    return ORDER.find((theme) => theme === stored) ?? null;
  } catch {
    return null;
  }
}

function follow(query: string, tell: (matches: boolean) => void): void {
  const media = window.matchMedia(query);
  tell(media.matches);
  media.addEventListener('change', (event) => tell(event.matches));
}
