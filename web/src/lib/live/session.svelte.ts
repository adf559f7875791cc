/**
 * One hunt on the page: joins the connection, the state, the player's attempts and the map
 * data, and shows them to the components as reactive values.
 *
 * It holds no rules of its own; they are in the pure modules beside it.
 */
import { hexToBytes } from '@noble/hashes/utils.js';
import { checkSeeds, expectSeeds, NOTHING_CHECKED, type Fairness } from '../layout/fairness';
import { drawTiles } from '../layout/tiles';
import type { CellGeometry } from '../map/geometry';
import { ApiError, type Api, type Hunt, type PlayerRank } from '../protocol/api';
import type { Outcome, RoundClaim, RoundInfo, ServerMessage } from '../protocol/messages';
import * as attempts from './attempts';
import { ServerClock } from './clock';
import { Connection, type Socket, type Status } from './connection';
import * as identity from './identity';
import { chooseRound } from './shown';
import {
  announce,
  dropRoundsClosedBefore,
  NOTHING_KNOWN,
  reduce,
  type LiveState,
  type OpenRound,
} from './state';

export type SessionEvent =
  | { readonly type: 'claims'; readonly claims: readonly RoundClaim[] }
  | { readonly type: 'outcome'; readonly outcome: Outcome; readonly attempt: attempts.Attempt }
  | { readonly type: 'token-refused' };

export type Loading = 'loading' | 'ready' | 'no-such-hunt' | 'unreachable';

const BEAT_MS = 200;
const CLOSING_GRACE_MS = 1_500;
const CACHED_ROUNDS_MAX = 16;
const RANK_EVERY_MS = 2_000;
/** A silent socket may be a dead one; beyond this the server is asked. */
const SILENCE_MS = 12_000;
const RETRY_LOADING_MS = 2_000;

export class Session {
  readonly name: string;
  readonly clock = new ServerClock();

  loading = $state<Loading>('loading');
  hunt = $state.raw<Hunt | null>(null);
  live = $state.raw<LiveState>(NOTHING_KNOWN);
  status = $state.raw<Status>({ state: 'stopped' });
  attempts = $state.raw<attempts.Attempts>([]);
  fairness = $state.raw<Fairness>(NOTHING_CHECKED);
  me = $state.raw<identity.Identity | null>(null);
  myRank = $state.raw<PlayerRank | null>(null);
  shown = $state.raw<OpenRound | null>(null);
  held = $state<number | null>(null);
  geometry = $state.raw<CellGeometry | null>(null);
  /** Points by tile of the shown round, once known. */
  values = $state.raw<Uint32Array | null>(null);
  /** By tile of the shown round: an index into `geometry`. */
  tileCells = $state.raw<Uint32Array | null>(null);
  /** Claims seen in the last seconds, for the figures on the big screen. */
  claimsSeen = $state(0);

  readonly player = $derived(this.live.player ?? this.me?.player ?? null);
  readonly tally = $derived(attempts.tally(this.attempts));

  readonly #api: Api;
  readonly #connection: Connection;
  readonly #listeners = new Set<(event: SessionEvent) => void>();
  readonly #geometries = new Map<number, Promise<CellGeometry>>();
  readonly #tileCells = new Map<string, Uint32Array>();
  readonly #values = new Map<string, Uint32Array | null>();
  readonly #asked = new Set<number>();
  readonly #wantsValues: boolean;
  #valuesInFlight = false;
  #stopping = new AbortController();
  #beat: ReturnType<typeof setInterval> | undefined;
  #lastMessageAtMs = 0;
  #rankAskedAtMs = 0;
  #unsaved = false;

  constructor(api: Api, hunt: string, options: { readonly values: boolean }) {
    this.#api = api;
    this.name = hunt;
    this.#wantsValues = options.values;
    this.#connection = new Connection(
      {
        open: (protocols) => new WebSocket(socketUrl(hunt), protocols) as Socket,
        nowMs: () => Date.now(),
        random: () => Math.random(),
        after: (delayMs, run) => {
          const timer = setTimeout(run, delayMs);
          return () => clearTimeout(timer);
        },
      },
      {
        message: (message, serverTimeMs) => this.#receive(message, serverTimeMs),
        status: (status) => (this.status = status),
        ready: () => {
          this.attempts = attempts.reconnected(this.attempts, Date.now());
          this.#pump();
        },
        tokenRefused: () => {
          identity.forget(this.name);
          this.me = null;
          this.#emit({ type: 'token-refused' });
        },
        resume: () => this.live.resume,
      },
    );
  }

  start(): void {
    this.me = identity.recall(this.name, Date.now());
    this.attempts = attempts.decode(identity.readHistory(this.name, this.me?.player ?? null));
    this.#beat = setInterval(() => this.#onBeat(), BEAT_MS);
    window.addEventListener('online', this.#onOnline);
    window.addEventListener('pagehide', this.#save);
    document.addEventListener('visibilitychange', this.#onOnline);
    void this.#load();
  }

  stop(): void {
    this.#save();
    clearInterval(this.#beat);
    window.removeEventListener('online', this.#onOnline);
    window.removeEventListener('pagehide', this.#save);
    document.removeEventListener('visibilitychange', this.#onOnline);
    this.#stopping.abort();
    this.#connection.stop();
  }

  /** Returns what stops the listening. */
  listen(listener: (event: SessionEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  serverTimeMs(): number {
    return this.clock.serverTimeMs(Date.now());
  }

  async joinAsGuest(name: string): Promise<void> {
    const guest = await this.#api.joinAsGuest(this.name, name);
    this.#become({ ...guest, name });
  }

  /** With a token from elsewhere, where the hunt hands out none itself. */
  joinWithToken(token: string): void {
    this.#become(identity.fromToken(token));
  }

  leave(): void {
    this.#save();
    identity.forget(this.name);
    this.me = null;
    this.myRank = null;
    this.attempts = [];
    this.#connection.start(null);
  }

  retryNow(): void {
    this.#connection.retryNow();
  }

  hold(round: number | null): void {
    this.held = round;
    this.#choose();
  }

  /** False when there is nothing to try: no token, or no such open round. */
  claim(round: number, tile: number): boolean {
    if (this.me === null || !this.live.rounds.has(round)) return false;
    this.attempts = attempts.begin(this.attempts, round, tile, Date.now());
    this.#unsaved = true;
    this.#pump();
    return true;
  }

  /** By tile of any open round; what the map needs to tell whether a cell lies in it. */
  tileCellsOf(info: RoundInfo): Uint32Array | null {
    const geometry = this.geometry;
    if (geometry === null || geometry.configVersion !== info.configVersion) return null;
    if (info.tiles > geometry.count) return null;
    const cached = this.#tileCells.get(info.layout);
    if (cached !== undefined) return cached;
    const drawn = drawTiles(hexToBytes(info.layout), geometry.count, info.tiles);
    remember(this.#tileCells, info.layout, drawn);
    return drawn;
  }

  readonly #onOnline = (): void => {
    if (document.visibilityState === 'visible') this.#connection.retryNow();
  };

  readonly #save = (): void => {
    if (!this.#unsaved || this.me === null) return;
    this.#unsaved = false;
    identity.writeHistory(this.name, this.me.player, attempts.encode(this.attempts));
  };

  #become(me: identity.Identity): void {
    identity.keep(this.name, me);
    this.me = me;
    this.myRank = null;
    this.#rankAskedAtMs = 0;
    this.attempts = attempts.decode(identity.readHistory(this.name, me.player));
    this.#connection.start(me.token);
  }

  async #load(): Promise<void> {
    try {
      const hunt = await this.#api.hunt(this.name, this.#stopping.signal);
      this.hunt = hunt;
      this.loading = 'ready';
      this.#connection.start(this.me?.token ?? null);
      for (const board of ['total']) void this.#loadBoard(board);
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      const unknown = error instanceof ApiError && error.status === 404;
      this.loading = unknown ? 'no-such-hunt' : 'unreachable';
      if (!unknown) setTimeout(() => void this.#load(), RETRY_LOADING_MS);
    }
  }

  /** Before the first `board` message; it is only sent when the board changes. */
  async #loadBoard(name: string): Promise<void> {
    const board = await this.#api.board(this.name, name, 100, this.#stopping.signal).catch(() => null);
    if (board === null || this.live.boards.has(name)) return;
    this.live = reduce(this.live, { type: 'board', board });
  }

  #receive(message: ServerMessage, serverTimeMs: number | null): void {
    const nowMs = Date.now();
    this.#lastMessageAtMs = nowMs;
    if (serverTimeMs !== null) this.clock.observe(serverTimeMs, nowMs);
    this.live = reduce(this.live, message);
    switch (message.type) {
      case 'round':
        this.fairness = expectSeeds(this.fairness, [message]);
        break;
      case 'snapshot':
        this.fairness = checkSeeds(
          expectSeeds(this.fairness, message.rounds),
          message.rounds.flatMap(({ round, seed }) => (seed === null ? [] : [{ round, seed }])),
        );
        break;
      case 'delta':
        if (message.seeds.length > 0) this.fairness = checkSeeds(this.fairness, message.seeds);
        this.claimsSeen += message.claims.length;
        if (message.claims.length > 0) this.#emit({ type: 'claims', claims: message.claims });
        this.#askForUnannounced();
        break;
      case 'outcome':
        this.#answered(message, nowMs);
        break;
      case 'subscribed':
      case 'board':
      case 'error':
        break;
    }
    this.#choose();
  }

  #answered(outcome: Outcome, nowMs: number): void {
    const before = attempts.find(this.attempts, outcome.round, outcome.tile);
    this.attempts = attempts.answered(this.attempts, outcome, nowMs);
    this.#unsaved = true;
    const attempt = attempts.find(this.attempts, outcome.round, outcome.tile);
    if (attempt === undefined || before?.outcome !== attempts.PENDING) return;
    if (attempt.outcome !== attempts.PENDING) this.#emit({ type: 'outcome', outcome, attempt });
  }

  /** Sends whatever is due. */
  #pump(): void {
    const nowMs = Date.now();
    for (const attempt of attempts.due(this.attempts, nowMs)) {
      const { round, tile } = attempt;
      const id = attempts.attemptId(attempt);
      if (!this.#connection.send({ type: 'claim', id, round, tile })) return;
      this.attempts = attempts.sent(this.attempts, attempt, nowMs);
    }
  }

  #onBeat(): void {
    const nowMs = Date.now();
    this.live = dropRoundsClosedBefore(this.live, this.serverTimeMs() - CLOSING_GRACE_MS);
    this.#pump();
    this.#choose();
    this.#save();
    this.#checkSilence(nowMs);
    this.#refreshRank(nowMs);
  }

  #choose(): void {
    const { shown, held } = chooseRound(this.live.rounds, this.held, this.serverTimeMs());
    if (held !== this.held) this.held = held;
    if (shown?.info.layout !== this.shown?.info.layout) {
      this.tileCells = null;
      this.values = null;
    }
    if (shown !== this.shown) this.shown = shown;
    if (shown !== null) this.#prepare(shown.info);
  }

  #prepare(info: RoundInfo): void {
    if (this.geometry?.configVersion !== info.configVersion) {
      void this.#loadGeometry(info.configVersion);
      return;
    }
    this.tileCells ??= this.tileCellsOf(info);
    const values = this.#values.get(info.map);
    if (values !== undefined) this.values = values;
    else this.#loadValues(info.map);
  }

  async #loadGeometry(version: number): Promise<void> {
    if (this.#geometries.has(version)) return;
    const loading = (async () => {
      // H3 is the heaviest part of the console; nothing before the first map needs it.
      const [{ cellGeometry }, cells] = await Promise.all([
        import('../map/geometry'),
        this.#api.cells(this.name, version, this.#stopping.signal),
      ]);
      return cellGeometry(cells, this.hunt?.outline ?? []);
    })();
    this.#geometries.set(version, loading);
    try {
      this.geometry = await loading;
      this.#choose();
    } catch {
      // Asked for again at the next beat, unless the page is gone.
      setTimeout(() => this.#geometries.delete(version), RETRY_LOADING_MS);
    }
  }

  /** One at a time, and only of the round on display: a map is worth far more bytes than a round. */
  #loadValues(map: string): void {
    if (!this.#wantsValues || this.#valuesInFlight) return;
    if (this.hunt === null || this.hunt.valuesHidden || document.visibilityState !== 'visible') return;
    this.#valuesInFlight = true;
    this.#api
      .mapValues(map, this.#stopping.signal)
      .catch(() => null)
      .then((values) => {
        remember(this.#values, map, values);
        if (this.shown?.info.map === map) this.values = values;
      })
      .finally(() => (this.#valuesInFlight = false));
  }

  #askForUnannounced(): void {
    for (const round of this.live.unannounced.keys()) {
      if (this.#asked.has(round)) continue;
      this.#asked.add(round);
      this.#api
        .round(this.name, round, this.#stopping.signal)
        .then((info) => {
          if (info.closesAtMs < this.serverTimeMs()) return;
          this.live = announce(this.live, info);
          this.#choose();
        })
        .catch(() => this.#asked.delete(round));
    }
  }

  /** Asks whether the server went on without us: a cut that no one told us of. */
  #checkSilence(nowMs: number): void {
    const limitMs = Math.max(SILENCE_MS, 3 * (this.hunt?.roundMs ?? 0));
    if (this.status.state !== 'live' || nowMs - this.#lastMessageAtMs < limitMs) return;
    this.#lastMessageAtMs = nowMs;
    this.#api.round(this.name, 'current', this.#stopping.signal).then(
      ({ round }) => {
        if (!this.live.rounds.has(round) && !this.live.closed.has(round)) this.#connection.restart();
      },
      (error: unknown) => {
        if (error instanceof ApiError && error.status === 0) this.#connection.restart();
      },
    );
  }

  #refreshRank(nowMs: number): void {
    const player = this.player;
    if (player === null || this.me === null || nowMs - this.#rankAskedAtMs < RANK_EVERY_MS) return;
    if (this.status.state !== 'live' || document.visibilityState !== 'visible') return;
    if (this.live.boards.get('total')?.entries.some((entry) => entry.player === player)) return;
    // Nothing won and not found before: there is no rank to ask for.
    if (this.myRank === null && this.#rankAskedAtMs > 0 && this.tally.won === 0) return;
    this.#rankAskedAtMs = nowMs;
    this.#api.playerRank(this.name, 'total', player, this.#stopping.signal).then(
      (rank) => (this.myRank = rank),
      () => {
        // The last known rank stays on display; the next beat asks again.
      },
    );
  }

  #emit(event: SessionEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

function socketUrl(hunt: string): string {
  const url = new URL(`v1/hunts/${encodeURIComponent(hunt)}/live`, `${location.origin}/`);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

/** A small cache: the oldest entry makes room. */
function remember<Value>(cache: Map<string, Value>, key: string, value: Value): void {
  cache.set(key, value);
  for (const oldest of cache.keys()) {
    if (cache.size <= CACHED_ROUNDS_MAX) return;
    cache.delete(oldest);
  }
}
