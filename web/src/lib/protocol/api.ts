/**
 * The HTTP side: hunts, cells, maps, ranks, guests, figures.
 *
 * Every failure is an `ApiError` that carries the status and the problem's name, so that
 * callers decide by name (`guests-disabled`) and never by wording. Nothing here retries.
 */
import {
  array,
  asObject,
  decodeBoard,
  decodeEntry,
  decodeRound,
  huntStateOrNull,
  integer,
  list,
  MalformedError,
  numberOr,
  numberOrNull,
  text,
  textOrNull,
  time,
  timeOrNull,
  type Board,
  type BoardEntry,
  type HuntState,
  type Json,
  type RoundInfo,
} from './messages';

export interface HuntSummary {
  readonly hunt: string;
  readonly state: HuntState;
  readonly startsAtMs: number | null;
  readonly endsAtMs: number | null;
  readonly roundMs: number;
  readonly claimWindowMs: number;
  readonly resolution: number;
  readonly tiles: number;
  readonly cells: number;
  readonly values: readonly WeightedValue[];
  readonly valuesHidden: boolean;
  readonly boards: readonly string[];
  readonly anchor: string | null;
}

export interface WeightedValue {
  readonly points: number;
  readonly weight: number;
}

export interface Hunt extends HuntSummary {
  readonly outline: Outline;
}

/** Polygons of rings of [longitude, latitude]; the first ring is the outside. */
export type Outline = readonly (readonly (readonly Coordinate[])[])[];
export type Coordinate = readonly [longitude: number, latitude: number];

export interface Cells {
  readonly configVersion: number;
  readonly resolution: number;
  readonly cells: readonly string[];
}

export interface Guest {
  readonly player: string;
  readonly token: string;
  readonly expiresAtMs: number | null;
}

export interface PlayerRank {
  readonly player: string;
  readonly rank: number;
  readonly score: number;
  readonly of: number;
  readonly neighbours: readonly BoardEntry[];
}

export interface ProjectionLag {
  readonly name: string;
  readonly lagMs: number;
  readonly lagRecords: number;
}

export interface Stats {
  readonly serverTimeMs: number;
  readonly uptimeS: number;
  readonly attemptsTotal: number;
  readonly wonTotal: number;
  readonly takenTotal: number;
  readonly refusedTotal: Readonly<Record<string, number>>;
  readonly unansweredTotal: number;
  readonly eventsTotal: number;
  readonly claimP50Ms: number | null;
  readonly claimP99Ms: number | null;
  readonly connections: number;
  readonly projections: readonly ProjectionLag[];
  readonly logBytes: number;
  readonly batchesTotal: number;
  readonly syncsTotal: number;
  readonly memoryBytes: number;
}

export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    /** 0 when no answer came at all. */
    readonly status: number,
    /** The last part of the problem's type, such as `guests-disabled`. */
    readonly problem: string,
    detail: string,
  ) {
    super(detail);
  }
}

export class Api {
  readonly #base: string;

  constructor(base: string) {
    this.#base = base;
  }

  async hunts(signal?: AbortSignal): Promise<HuntSummary[]> {
    const body = await this.#get('/v1/hunts', signal);
    return list(body['hunts']).map(decodeSummary);
  }

  async hunt(hunt: string, signal?: AbortSignal): Promise<Hunt> {
    const body = await this.#get(`/v1/hunts/${encodeURIComponent(hunt)}`, signal);
    return { ...decodeSummary(body), outline: decodeOutline(body['outline']) };
  }

  /** Immutable for one configuration version, so the browser's cache serves repeats. */
  async cells(hunt: string, version: number, signal?: AbortSignal): Promise<Cells> {
    const path = `/v1/hunts/${encodeURIComponent(hunt)}/cells?version=${version}`;
    const body = await this.#get(path, signal);
    return {
      configVersion: integer(body, 'config_version'),
      resolution: integer(body, 'resolution'),
      cells: array(body['cells']).filter((cell) => typeof cell === 'string'),
    };
  }

  async round(hunt: string, round: number | 'current', signal?: AbortSignal): Promise<RoundInfo> {
    return decodeRound(await this.#get(`/v1/hunts/${encodeURIComponent(hunt)}/rounds/${round}`, signal));
  }

  /** Points by tile, or `null` while the hunt keeps them hidden. */
  async mapValues(map: string, signal?: AbortSignal): Promise<Uint32Array | null> {
    const body = await this.#get(`/v1/maps/${encodeURIComponent(map)}`, signal);
    const tiles = list(body['tiles']);
    const points = new Uint32Array(tiles.length);
    let known = false;
    for (const item of tiles) {
      const tile = integer(item, 'tile');
      const value = numberOrNull(item['value']);
      if (value === null || tile >= points.length) continue;
      points[tile] = value;
      known = true;
    }
    return known ? points : null;
  }

  async board(hunt: string, board: string, limit: number, signal?: AbortSignal): Promise<Board> {
    const path = `/v1/hunts/${encodeURIComponent(hunt)}/boards/${encodeURIComponent(board)}?limit=${limit}`;
    return decodeBoard(await this.#get(path, signal));
  }

  /** `null` when the player is not on the board yet. */
  async playerRank(
    hunt: string,
    board: string,
    player: string,
    signal?: AbortSignal,
  ): Promise<PlayerRank | null> {
    const path =
      `/v1/hunts/${encodeURIComponent(hunt)}/boards/${encodeURIComponent(board)}` +
      `/players/${encodeURIComponent(player)}?around=2`;
    try {
      const body = await this.#get(path, signal);
      const rank = numberOrNull(body['rank']);
      if (rank === null) return null;
      return {
        player: text(body, 'player'),
        rank,
        score: integer(body, 'score'),
        of: numberOr(body['of'], rank),
        neighbours: list(body['neighbours']).map(decodeEntry),
      };
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  }

  async joinAsGuest(hunt: string, name: string): Promise<Guest> {
    const path = `/v1/hunts/${encodeURIComponent(hunt)}/guests`;
    const body = await this.#request(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(name === '' ? {} : { name }),
    });
    return {
      player: text(body, 'player'),
      token: text(body, 'token'),
      expiresAtMs: timeOrNull(body['expires_at']),
    };
  }

  async stats(signal?: AbortSignal): Promise<Stats> {
    const body = await this.#get('/v1/stats', signal);
    const log = asObject(body['log']);
    const refused: Record<string, number> = {};
    for (const [kind, count] of Object.entries(asObject(body['refused_total']) ?? {})) {
      refused[kind] = numberOr(count, 0);
    }
    return {
      serverTimeMs: time(body, 'server_time'),
      uptimeS: numberOr(body['uptime_s'], 0),
      attemptsTotal: numberOr(body['attempts_total'], 0),
      wonTotal: numberOr(body['won_total'], 0),
      takenTotal: numberOr(body['taken_total'], 0),
      refusedTotal: refused,
      unansweredTotal: numberOr(body['unanswered_total'], 0),
      eventsTotal: numberOr(body['events_total'], 0),
      claimP50Ms: numberOrNull(body['claim_p50_ms']),
      claimP99Ms: numberOrNull(body['claim_p99_ms']),
      connections: numberOr(body['connections'], 0),
      projections: list(body['projections']).map((item) => ({
        name: text(item, 'name'),
        lagMs: numberOr(item['lag_ms'], 0),
        lagRecords: numberOr(item['lag_records'], 0),
      })),
      logBytes: numberOr(log?.['bytes'], 0),
      batchesTotal: numberOr(log?.['batches_total'], 0),
      syncsTotal: numberOr(log?.['syncs_total'], 0),
      memoryBytes: numberOr(body['memory_bytes'], 0),
    };
  }

  #get(path: string, signal?: AbortSignal): Promise<Json> {
    return this.#request(path, signal === undefined ? {} : { signal });
  }

  async #request(path: string, init: RequestInit): Promise<Json> {
    let response: Response;
    try {
      response = await fetch(this.#base + path, init);
    } catch (error) {
      if (init.signal?.aborted === true) throw error;
      throw new ApiError(0, 'unreachable', 'the server did not answer');
    }
    const body = asObject(await response.json().catch(() => null));
    if (!response.ok) {
      const type = textOrNull(body?.['type']) ?? '';
      const detail = textOrNull(body?.['detail']) ?? textOrNull(body?.['title']);
      throw new ApiError(
        response.status,
        type.slice(type.lastIndexOf('/') + 1) || `status-${response.status}`,
        detail ?? `the server answered ${response.status}`,
      );
    }
    if (body === null) throw new MalformedError(`${path} answered without a JSON object`);
    return body;
  }
}

function decodeSummary(body: Json): HuntSummary {
  const roundMs = numberOr(body['round_ms'], 1000);
  return {
    hunt: text(body, 'hunt'),
    state: huntStateOrNull(body['state']) ?? 'running',
    startsAtMs: timeOrNull(body['starts_at']),
    endsAtMs: timeOrNull(body['ends_at']),
    roundMs,
    claimWindowMs: numberOr(body['claim_window_ms'], roundMs),
    resolution: numberOr(body['resolution'], 0),
    tiles: numberOr(body['tiles'], 0),
    cells: numberOr(body['cells'], 0),
    values: list(body['values']).map((item) => ({
      points: integer(item, 'points'),
      weight: integer(item, 'weight'),
    })),
    valuesHidden: body['values_hidden'] === true,
    boards: array(body['boards']).filter((board) => typeof board === 'string'),
    anchor: textOrNull(body['anchor']),
  };
}

function decodeOutline(value: unknown): Outline {
  const geometry = asObject(value);
  if (geometry === null) return [];
  const coordinates = geometry['coordinates'];
  switch (geometry['type']) {
    case 'Polygon':
      return [decodePolygon(coordinates)];
    case 'MultiPolygon':
      return array(coordinates).map(decodePolygon);
    case 'GeometryCollection':
      return list(geometry['geometries']).flatMap(decodeOutline);
    case 'Feature':
      return decodeOutline(geometry['geometry']);
    case 'FeatureCollection':
      return list(geometry['features']).flatMap(decodeOutline);
    default:
      return [];
  }
}

function decodePolygon(value: unknown): Coordinate[][] {
  return array(value).map((ring) =>
    array(ring).flatMap((point): Coordinate[] => {
      const [longitude, latitude] = array(point);
      return typeof longitude === 'number' && typeof latitude === 'number'
        ? [[longitude, latitude]]
        : [];
    }),
  );
}
