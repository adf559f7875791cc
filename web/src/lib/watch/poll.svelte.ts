/** Asks for the server's figures once a second while someone looks. */
import type { HuntcoreClient } from 'huntcore-client';
import { addGap, addStats, NO_FIGURES, type Figures } from './series';

const EVERY_MS = 1_000;

export class StatsPoll {
  figures = $state.raw<Figures>(NO_FIGURES);
  answering = $state(true);

  readonly #client: HuntcoreClient;
  #timer: ReturnType<typeof setInterval> | undefined;
  #stopping = new AbortController();
  #asking = false;

  constructor(client: HuntcoreClient) {
    this.#client = client;
  }

  start(): () => void {
    this.#stopping = new AbortController();
    const { signal } = this.#stopping;
    void this.#ask(signal);
    this.#timer = setInterval(() => void this.#ask(signal), EVERY_MS);
    return () => {
      clearInterval(this.#timer);
      this.#stopping.abort();
    };
  }

  async #ask(signal: AbortSignal): Promise<void> {
    if (this.#asking || document.visibilityState !== 'visible') return;
    this.#asking = true;
    try {
      const stats = await this.#client.stats({ signal });
      this.figures = addStats(this.figures, stats);
      this.answering = true;
    } catch {
      if (signal.aborted) return;
      // One gap is enough, however long it lasts.
      if (this.answering) this.figures = addGap(this.figures);
      this.answering = false;
    } finally {
      this.#asking = false;
    }
  }
}
