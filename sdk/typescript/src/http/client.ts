/**
 * A server's public face: reading over HTTP, joining, and opening live connections.
 *
 * Every failure of a request is an `ApiError` that carries the status and the problem's name,
 * so that callers decide by name (`guests-disabled`) and never by wording. No request is
 * repeated; what comes back by itself is the live connection.
 */
import { decodeBoard } from '../forms/json.ts';
import { LiveHunt, type LiveOptions } from '../live/hunt.ts';
import type { BoardName } from '../messages.ts';
import { asObject, MalformedError, objects, textOrNull, type Json } from '../reading.ts';
import {
  readBoardSummary,
  readCells,
  readFlag,
  readGuest,
  readHunt,
  readMap,
  readProblem,
  readRoundView,
  readStanding,
  readStats,
  readSummary,
  readWindow,
  type BoardPage,
  type BoardSummary,
  type Cells,
  type FlagSetting,
  type Guest,
  type Hunt,
  type HuntSummary,
  type MapView,
  type RoundView,
  type Standing,
  type Stats,
  type WindowPage,
} from './views.ts';

export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** 0 when no answer came at all. */
  readonly status: number;
  /** The last part of the problem's type, such as `guests-disabled`. */
  readonly problem: string;
  /** When to ask again, if that may help. */
  readonly retryAfterMs: number | null;

  constructor(status: number, problem: string, detail: string, retryAfterMs: number | null = null, options?: ErrorOptions) {
    super(detail, options);
    this.status = status;
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }
}

export interface Asking {
  readonly signal?: AbortSignal;
}

export interface BoardQuery extends Asking {
  /** How many entries, up to 1000; 100 if left out. */
  readonly limit?: number;
  /** The `nextCursor` of the page before. */
  readonly cursor?: string;
  /** Of a board with windows: the start of one; if left out the newest that anybody is in, of `second` the newest final one. */
  readonly window?: Date;
  /** Waits a bounded time until the board covers this position: a claim's, for instance. */
  readonly atLeast?: string;
}

export interface StandingQuery extends Asking {
  /** How many neighbours on each side, up to 50; 2 if left out. */
  readonly around?: number;
  /** Of a board with windows: the start of one; if left out the newest that anybody is in, of `second` the newest final one. */
  readonly window?: Date;
  /** Waits a bounded time until the board covers this position. */
  readonly atLeast?: string;
}

export interface WindowQuery extends Asking {
  /** How many windows, up to 1000; 100 if left out. */
  readonly limit?: number;
  /** The `nextCursor` of the page before. */
  readonly cursor?: string;
}

export class HuntcoreClient {
  readonly #base: string;

  /** `base` is the server's address, such as `https://hunt.example`. */
  constructor(base: string | URL) {
    this.#base = String(base).replace(/\/+$/, '');
  }

  async hunts({ signal }: Asking = {}): Promise<HuntSummary[]> {
    return objects(await this.#get('/v1/hunts', signal), 'hunts').map(readSummary);
  }

  async hunt(hunt: string, { signal }: Asking = {}): Promise<Hunt> {
    return readHunt(await this.#get(huntPath(hunt), signal));
  }

  /** Immutable for one configuration version, so caches serve repetitions. */
  async cells(hunt: string, version: number, { signal }: Asking = {}): Promise<Cells> {
    return readCells(await this.#get(`${huntPath(hunt)}/cells?version=${version}`, signal));
  }

  async round(hunt: string, round: number | 'current', { signal }: Asking = {}): Promise<RoundView> {
    return readRoundView(await this.#get(`${huntPath(hunt)}/rounds/${round}`, signal));
  }

  /** Immutable; the name is the round's `map`. */
  async map(map: string, { signal }: Asking = {}): Promise<MapView> {
    return readMap(await this.#get(`/v1/maps/${encodeURIComponent(map)}`, signal));
  }

  async board(hunt: string, board: BoardName, query: BoardQuery = {}): Promise<BoardPage> {
    const asked = new URLSearchParams();
    if (query.limit !== undefined) asked.set('limit', String(query.limit));
    if (query.cursor !== undefined) asked.set('cursor', query.cursor);
    if (query.window !== undefined) asked.set('window', query.window.toISOString());
    if (query.atLeast !== undefined) asked.set('at_least', query.atLeast);
    const suffix = asked.size === 0 ? '' : `?${asked}`;
    const body = await this.#get(`${boardPath(hunt, board)}${suffix}`, query.signal);
    return { ...decodeBoard(body), nextCursor: textOrNull(body, 'next_cursor') };
  }

  /** Every board of a hunt, and what it counts. */
  async boards(hunt: string, { signal }: Asking = {}): Promise<BoardSummary[]> {
    return objects(await this.#get(`${huntPath(hunt)}/boards`, signal), 'boards').map(readBoardSummary);
  }

  /** A board's windows that anybody is on, newest first. */
  async windows(hunt: string, board: BoardName, query: WindowQuery = {}): Promise<WindowPage> {
    const asked = new URLSearchParams();
    if (query.limit !== undefined) asked.set('limit', String(query.limit));
    if (query.cursor !== undefined) asked.set('cursor', query.cursor);
    const suffix = asked.size === 0 ? '' : `?${asked}`;
    const body = await this.#get(`${boardPath(hunt, board)}/windows${suffix}`, query.signal);
    return { windows: objects(body, 'windows').map(readWindow), nextCursor: textOrNull(body, 'next_cursor') };
  }

  /** `null` when the player is not on the board. */
  async standing(hunt: string, board: BoardName, player: string, query: StandingQuery = {}): Promise<Standing | null> {
    const asked = new URLSearchParams({ around: String(query.around ?? 2) });
    if (query.window !== undefined) asked.set('window', query.window.toISOString());
    if (query.atLeast !== undefined) asked.set('at_least', query.atLeast);
    try {
      const path = `${boardPath(hunt, board)}/players/${encodeURIComponent(player)}?${asked}`;
      return readStanding(board, await this.#get(path, query.signal));
    } catch (error) {
      if (error instanceof ApiError && error.problem === 'unknown-player') return null;
      throw error;
    }
  }

  /** A player and a token, where the deployment admits guests. */
  async joinAsGuest(hunt: string, name = '', { signal }: Asking = {}): Promise<Guest> {
    return readGuest(
      await this.#request(`${huntPath(hunt)}/guests`, signal, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(name === '' ? {} : { name }),
      }),
    );
  }

  async stats({ signal }: Asking = {}): Promise<Stats> {
    return readStats(await this.#get('/v1/stats', signal));
  }

  /** How flags are set; with the service key, where the deployment asks for one. */
  async flags({ serviceKey, signal }: Asking & { readonly serviceKey?: string } = {}): Promise<FlagSetting[]> {
    const headers = serviceKey === undefined ? {} : { authorization: `Bearer ${serviceKey}` };
    return objects(await this.#request('/v1/flags', signal, { headers }), 'flags').map(readFlag);
  }

  /** Opens a connection that keeps itself up until it is closed. */
  live(hunt: string, options: LiveOptions = {}): LiveHunt {
    const url = new URL(`${this.#base}${huntPath(hunt)}/live`);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    return new LiveHunt(url.href, options);
  }

  #get(path: string, signal: AbortSignal | undefined): Promise<Json> {
    return this.#request(path, signal, {});
  }

  async #request(path: string, signal: AbortSignal | undefined, init: RequestInit): Promise<Json> {
    let response: Response;
    let body: unknown;
    try {
      response = await fetch(this.#base + path, signal === undefined ? init : { ...init, signal });
      body = await response.json().catch((error: unknown) => {
        if (error instanceof SyntaxError) return null;
        throw error;
      });
    } catch (error) {
      if (signal?.aborted === true) throw error;
      throw new ApiError(0, 'unreachable', 'the server did not answer', null, { cause: error });
    }
    if (!response.ok) {
      const { name, words, retryAfterMs } = readProblem(body);
      const status = `status-${response.status}`;
      throw new ApiError(response.status, name ?? status, words ?? `the server answered ${response.status}`, retryAfterMs);
    }
    const found = asObject(body);
    if (found === null) throw new MalformedError(`${path} answered without a JSON object`);
    return found;
  }
}

function boardPath(hunt: string, board: BoardName): string {
  return `${huntPath(hunt)}/boards/${encodeURIComponent(board)}`;
}

function huntPath(hunt: string): string {
  return `/v1/hunts/${encodeURIComponent(hunt)}`;
}
