/**
 * What the player is told of outcomes: few toasts and few spoken lines, however many
 * attempts are answered at once.
 */
import type { Attempt } from '../live/attempts';
import { outcomeText, pointsOf } from './format';

/** Outcomes within this time share a toast. */
const GATHER_MS = 500;
const TOAST_MS = 3_600;
const TOASTS_MAX = 2;
/** A screen reader is given at most one line in this time. */
const SPEAK_EVERY_MS = 1_600;

export type ToastKind = 'won' | 'lost' | 'note';

export interface Toast {
  readonly id: number;
  readonly kind: ToastKind;
  readonly title: string;
  readonly detail: string;
  /** What it sums up; more of the kind joins it while it is on display. */
  readonly attempts: readonly Attempt[];
}

export type News = Omit<Toast, 'id'>;

export class Feedback {
  toasts = $state.raw<readonly Toast[]>([]);
  spoken = $state('');

  #gathered: Attempt[] = [];
  #gathering: ReturnType<typeof setTimeout> | undefined;
  #lines: string[] = [];
  #speaking: ReturnType<typeof setTimeout> | undefined;
  #nextId = 1;

  stop(): void {
    clearTimeout(this.#gathering);
    clearTimeout(this.#speaking);
  }

  outcome(attempt: Attempt): void {
    this.#gathered.push(attempt);
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      const news = summarise(this.#gathered);
      this.#gathered = [];
      for (const one of news) this.#say(one);
      this.#show(news);
    }, GATHER_MS);
  }

  note(title: string, detail = ''): void {
    const news: News = { kind: 'note', title, detail, attempts: [] };
    this.#say(news);
    this.#show([news]);
  }

  /** For the ear only. */
  say(line: string): void {
    this.#lines.push(line);
    if (this.#speaking !== undefined) return;
    this.#speak();
  }

  dismiss(id: number): void {
    this.toasts = this.toasts.filter((toast) => toast.id !== id);
  }

  #speak(): void {
    this.spoken = this.#lines.slice(-3).join('. ');
    this.#lines = [];
    this.#speaking = setTimeout(() => {
      this.#speaking = undefined;
      if (this.#lines.length > 0) this.#speak();
    }, SPEAK_EVERY_MS);
  }

  #say(news: News): void {
    this.say(news.detail === '' ? news.title : `${news.title}: ${news.detail}`);
  }

  #show(news: readonly News[]): void {
    for (const one of news) {
      const shown = this.toasts.find(({ kind }) => kind === one.kind);
      const [merged = one] = shown === undefined ? [one] : summarise([...shown.attempts, ...one.attempts]);
      const id = this.#nextId;
      this.#nextId += 1;
      const rest = this.toasts.filter((toast) => toast !== shown);
      this.toasts = [...rest, { ...merged, id }].slice(-TOASTS_MAX);
      setTimeout(() => this.dismiss(id), TOAST_MS);
    }
  }
}

/** At most one line for what was won and one for what was not. */
export function summarise(attempts: readonly Attempt[]): News[] {
  const news: News[] = [];
  const won = attempts.filter(({ outcome }) => outcome === 'won');
  if (won.length > 0) {
    const points = won.reduce((sum, attempt) => sum + attempt.points, 0);
    const what = won.length === 1 ? `Tile ${won[0]?.tile} is yours` : `${won.length} tiles are yours`;
    news.push({ kind: 'won', title: what, detail: `+${pointsOf(points)}`, attempts: won });
  }
  const lost = attempts.filter(({ outcome }) => outcome !== 'won');
  const latest = lost.at(-1);
  if (latest !== undefined) {
    const alike = lost.every(({ outcome }) => outcome === latest.outcome);
    const title = lost.length === 1 ? `Tile ${latest.tile}` : `${lost.length} tiles`;
    news.push({ kind: 'lost', title, detail: alike ? outcomeText(latest.outcome) : 'not won', attempts: lost });
  }
  return news;
}
