/**
 * One board as the page looks at it: a window, a page of it, a player's place.
 *
 * It asks once a second while somebody looks, one request of each kind at a time. What the
 * server no longer has (a window, a cursor) is given up for what it has.
 */
import { ApiError, type BoardPage, type HuntcoreClient, type Standing, type WindowView } from 'huntcore-client';
import { addRank, type Ranks } from './ranks';

const EVERY_MS = 1_000;
const WINDOWS_EVERY_MS = 2_000;
export const PAGE_ENTRIES = 100;
const AROUND = 4;
/** So many of a board's last windows are looked through for the player's rank. */
const PAST_WINDOWS_MAX = 24;

export class BoardWatch {
  page = $state.raw<BoardPage | null>(null);
  windows = $state.raw<readonly WindowView[]>([]);
  /** `null` while the player is not on the board, or nobody was asked for. */
  standing = $state.raw<Standing | null>(null);
  /** While watching: this board's, or this window's, as it moved. */
  ranks = $state.raw<Ranks>([]);
  /** Of a windowed board: the rank in each of its last windows. */
  pastRanks = $state.raw<Ranks>([]);
  answering = $state(true);
  /** The start of the window asked for; `null`: the latest. */
  chosen = $state<number | null>(null);
  player = $state<string | null>(null);
  /** The cursors of the pages before this one. */
  #cursors = $state.raw<readonly string[]>([]);

  readonly #client: HuntcoreClient;
  readonly #hunt: string;
  readonly board: string;
  readonly #windowed: boolean;
  readonly #past = new Map<number, number | null>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #stopping = new AbortController();
  #asking = false;
  /** Counts choices: an answer to what was asked before the last one is old. */
  #choices = 0;
  #windowsAtMs = 0;

  constructor(client: HuntcoreClient, hunt: string, board: string, windowed: boolean) {
    this.#client = client;
    this.#hunt = hunt;
    this.board = board;
    this.#windowed = windowed;
  }

  get number(): number {
    return this.#cursors.length;
  }

  start(): () => void {
    this.#stopping = new AbortController();
    this.#asking = false;
    void this.#ask();
    this.#timer = setInterval(() => void this.#ask(), EVERY_MS);
    return () => {
      clearInterval(this.#timer);
      this.#stopping.abort();
    };
  }

  choose(startMs: number | null): void {
    this.chosen = startMs;
    this.ranks = [];
    this.#turn([]);
  }

  find(player: string | null): void {
    if (player === this.player) return;
    this.player = player;
    this.standing = null;
    this.ranks = [];
    this.pastRanks = [];
    this.#past.clear();
    this.#again();
  }

  first(): void {
    this.#turn([]);
  }

  before(): void {
    this.#turn(this.#cursors.slice(0, -1));
  }

  after(): void {
    const cursor = this.page?.nextCursor ?? null;
    if (cursor !== null) this.#turn([...this.#cursors, cursor]);
  }

  #turn(cursors: readonly string[]): void {
    this.#cursors = cursors;
    this.#again();
  }

  #again(): void {
    this.#choices += 1;
    // What is on its way is of no more use.
    this.#stopping.abort();
    this.#stopping = new AbortController();
    this.#asking = false;
    void this.#ask();
  }

  async #ask(): Promise<void> {
    if (this.#asking || document.visibilityState !== 'visible') return;
    const choice = this.#choices;
    const { signal } = this.#stopping;
    this.#asking = true;
    try {
      await this.#look(signal);
      this.answering = true;
    } catch (error) {
      if (choice !== this.#choices || signal.aborted) return;
      if (error instanceof ApiError && error.status >= 400 && error.status < 500) this.#giveUp(error);
      else this.answering = false;
    } finally {
      if (choice === this.#choices) this.#asking = false;
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const window = this.chosen === null ? {} : { window: new Date(this.chosen) };
    const cursor = this.#cursors.at(-1);
    const asked = { ...window, signal, limit: PAGE_ENTRIES, ...(cursor === undefined ? {} : { cursor }) };
    const page = await this.#client.board(this.#hunt, this.board, asked);
    if (signal.aborted) return;
    this.page = page;
    if (this.player !== null) {
      const standing = await this.#client.standing(this.#hunt, this.board, this.player, { ...window, signal, around: AROUND });
      if (signal.aborted) return;
      this.standing = standing;
      this.ranks = addRank(this.ranks, { atMs: Date.now(), rank: standing?.rank ?? null });
    }
    if (this.#windowed) await this.#lookAtWindows(signal);
  }

  async #lookAtWindows(signal: AbortSignal): Promise<void> {
    if (Date.now() - this.#windowsAtMs < WINDOWS_EVERY_MS) return;
    const { windows } = await this.#client.windows(this.#hunt, this.board, { signal });
    if (signal.aborted) return;
    this.#windowsAtMs = Date.now();
    this.windows = windows;
    const { player } = this;
    if (player === null) return;
    const past = windows.filter(({ final }) => final).slice(0, PAST_WINDOWS_MAX);
    for (const { startMs } of past) {
      if (this.#past.has(startMs)) continue;
      const found = await this.#client
        .standing(this.#hunt, this.board, player, { window: new Date(startMs), signal, around: 0 })
        // Dropped meanwhile.
        .catch((error: unknown) => {
          if (error instanceof ApiError && error.status === 404) return null;
          throw error;
        });
      if (signal.aborted) return;
      this.#past.set(startMs, found?.rank ?? null);
    }
    for (const startMs of this.#past.keys()) if (!past.some((one) => one.startMs === startMs)) this.#past.delete(startMs);
    this.pastRanks = [...this.#past].sort(([left], [right]) => left - right).map(([atMs, rank]) => ({ atMs, rank }));
  }

  /** What was asked for is not there any more: the latest is. */
  #giveUp(error: ApiError): void {
    if (this.#cursors.length > 0) this.#turn([]);
    else if (this.chosen !== null) this.choose(null);
    else if (error.problem === 'unknown-window' || error.problem === 'unknown-board') this.page = null;
    else this.answering = false;
  }
}
