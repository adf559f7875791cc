/**
 * One hunt on the page: joins the connection, the state, the player's attempts and the map
 * data, and shows them to the components as reactive values.
 *
 * It holds no rules of its own; they are in the pure modules beside it.
 */
import { hexToBytes } from '@noble/hashes/utils.js';
import {
  ApiError,
  ClaimError,
  LiveState,
  type HuntcoreClient,
  type Hunt,
  type LiveHunt,
  type LiveRound,
  type LiveView,
  type MapView,
  type RoundClaim,
  type RoundInfo,
  type ServerMessage,
  type Status,
} from 'huntcore-client';
import { checkSeeds, expectSeeds, NOTHING_CHECKED, type Fairness } from '../layout/fairness';
import { drawTiles } from '../layout/tiles';
import type { CellGeometry } from '../map/geometry';
import * as attempts from './attempts';
import * as identity from './identity';
import { chooseRound } from './shown';

export type SessionEvent =
  | { readonly type: 'claims'; readonly claims: readonly RoundClaim[] }
  | { readonly type: 'outcome'; readonly attempt: attempts.Attempt }
  | { readonly type: 'token-refused' };

export type Loading = 'loading' | 'ready' | 'no-such-hunt' | 'unreachable';

const BEAT_MS = 200;
const CACHED_ROUNDS_MAX = 16;
/** A silent socket may be a dead one; beyond this the server is asked. */
const SILENCE_MS = 12_000;
const RETRY_LOADING_MS = 2_000;
const NOTHING_KNOWN: LiveView = new LiveState();

export interface SessionOptions {
  /** Whether tiles are drawn with what they are worth. */
  readonly values: boolean;
  /** Whether rounds and claims are shown; if not, only the board's news are asked for. */
  readonly map: boolean;
}

export class Session {
  readonly name: string;

  loading = $state<Loading>('loading');
  hunt = $state.raw<Hunt | null>(null);
  status = $state.raw<Status>({ state: 'stopped' });
  attempts = $state.raw<attempts.Attempts>([]);
  fairness = $state.raw<Fairness>(NOTHING_CHECKED);
  me = $state.raw<identity.Identity | null>(null);
  shown = $state.raw<LiveRound | null>(null);
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

  readonly #client: HuntcoreClient;
  #live: LiveHunt | null = null;
  /** Counts messages: the state grows in place, and whoever reads it reads this. */
  #heard = $state(0);
  readonly #listeners = new Set<(event: SessionEvent) => void>();
  readonly #geometries = new Map<number, Promise<CellGeometry>>();
  readonly #tileCells = new Map<string, Uint32Array>();
  readonly #values = new Map<string, Uint32Array | null>();
  readonly #wantsValues: boolean;
  #wantsMap: boolean;
  #valuesInFlight = false;
  #stopping = new AbortController();
  #beat: ReturnType<typeof setInterval> | undefined;
  #unsaved = false;

  constructor(client: HuntcoreClient, hunt: string, options: SessionOptions) {
    this.#client = client;
    this.name = hunt;
    this.#wantsValues = options.values;
    this.#wantsMap = options.map;
  }

  /** The hunt as the messages so far show it. */
  get live(): LiveView {
    void this.#heard;
    return this.#live?.state ?? NOTHING_KNOWN;
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
    this.#live?.close();
  }

  /** Returns what stops the listening. */
  listen(listener: (event: SessionEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  serverTimeMs(): number {
    return this.#live?.serverTimeMs() ?? Date.now();
  }

  async joinAsGuest(name: string): Promise<void> {
    const guest = await this.#client.joinAsGuest(this.name, name);
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
    this.attempts = [];
    this.#live?.become(null);
  }

  retryNow(): void {
    this.#live?.retryNow();
  }

  /** From now on rounds and claims are shown as well; going back would only lose them again. */
  showMap(): void {
    if (this.#wantsMap) return;
    this.#wantsMap = true;
    // What the server says to it comes as a message, if the connection lives to hear it.
    this.#live?.subscribe({ interest: 'everything' }).catch(() => {});
  }

  hold(round: number | null): void {
    this.held = round;
    this.#choose();
  }

  /** False when there is nothing to try: no token, or no such open round. */
  claim(round: number, tile: number): boolean {
    if (this.me === null || this.live.rounds.get(round)?.closed !== false) return false;
    const before = this.attempts;
    this.attempts = attempts.begin(before, round, tile, Date.now());
    if (this.attempts === before) return true;
    this.#unsaved = true;
    this.#ask(round, tile);
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
    if (document.visibilityState === 'visible') this.#live?.retryNow();
  };

  readonly #save = (): void => {
    if (!this.#unsaved || this.me === null) return;
    this.#unsaved = false;
    identity.writeHistory(this.name, this.me.player, attempts.encode(this.attempts));
  };

  #become(me: identity.Identity): void {
    identity.keep(this.name, me);
    this.me = me;
    this.attempts = attempts.decode(identity.readHistory(this.name, me.player));
    this.#live?.become(me.token);
    this.#askPending();
  }

  async #load(): Promise<void> {
    try {
      const hunt = await this.#client.hunt(this.name, { signal: this.#stopping.signal });
      this.hunt = hunt;
      this.loading = 'ready';
      this.#open(hunt);
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      const unknown = error instanceof ApiError && error.status === 404;
      this.loading = unknown ? 'no-such-hunt' : 'unreachable';
      if (!unknown) setTimeout(() => void this.#load(), RETRY_LOADING_MS);
    }
  }

  #open(hunt: Hunt): void {
    const live = this.#client.live(this.name, {
      token: this.me?.token ?? null,
      interest: this.#wantsMap ? 'everything' : { boards: ['total'] },
      ownRank: 'total',
      silenceMs: Math.max(SILENCE_MS, 3 * hunt.roundMs),
      connect: false,
    });
    live.listen((event) => {
      switch (event.type) {
        case 'message':
          this.#receive(event.message);
          break;
        case 'status':
          this.status = event.status;
          break;
        case 'token-refused':
          identity.forget(this.name);
          this.me = null;
          this.#emit({ type: 'token-refused' });
          break;
        case 'subscription-refused':
          break;
      }
    });
    this.#live = live;
    live.connect();
    this.#askPending();
  }

  #receive(message: ServerMessage): void {
    this.#heard += 1;
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
        break;
      case 'subscribed':
      case 'board':
      case 'rank':
      case 'outcome':
      case 'error':
        break;
    }
    this.#choose();
  }

  /** What a page that was left, or another player's turn, has cut off. */
  #askPending(): void {
    for (const { round, tile } of attempts.pending(this.attempts)) this.#ask(round, tile);
  }

  #ask(round: number, tile: number): void {
    this.#live?.claim(round, tile).then(
      ({ outcome, points }) => this.#answered({ round, tile, outcome, points }),
      (error: unknown) => {
        // Still pending where the page or the player is gone: asked again when they are back.
        if (!(error instanceof ClaimError) || error.code === 'closed' || error.code === 'player-changed') return;
        this.#answered({ round, tile, outcome: error.code, points: null });
      },
    );
  }

  #answered(answer: Parameters<typeof attempts.answered>[1]): void {
    const before = this.attempts;
    this.attempts = attempts.answered(before, answer);
    if (this.attempts === before) return;
    this.#unsaved = true;
    const attempt = attempts.find(this.attempts, answer.round, answer.tile);
    if (attempt !== undefined) this.#emit({ type: 'outcome', attempt });
  }

  #onBeat(): void {
    this.#choose();
    this.#save();
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
        this.#client.cells(this.name, version, { signal: this.#stopping.signal }),
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
    this.#client
      .map(map, { signal: this.#stopping.signal })
      .then(valuesOf, () => null)
      .then((values) => {
        remember(this.#values, map, values);
        if (this.shown?.info.map === map) this.values = values;
      })
      .finally(() => (this.#valuesInFlight = false));
  }

  #emit(event: SessionEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

/** Points by tile; `null` while the hunt keeps them hidden. */
function valuesOf({ tiles }: MapView): Uint32Array | null {
  const points = new Uint32Array(tiles.length);
  let known = false;
  for (const { tile, value } of tiles) {
    if (value === null || tile >= points.length) continue;
    points[tile] = value;
    known = true;
  }
  return known ? points : null;
}

/** A small cache: the oldest entry makes room. */
function remember<Value>(cache: Map<string, Value>, key: string, value: Value): void {
  cache.set(key, value);
  for (const oldest of cache.keys()) {
    if (cache.size <= CACHED_ROUNDS_MAX) return;
    cache.delete(oldest);
  }
}
