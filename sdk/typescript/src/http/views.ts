/** What the HTTP side answers, and how it is read. */
import { decodeBoardName, decodeEntry, decodeRound, decodeState, decodeWindow } from '../forms/json.ts';
import type { Board, BoardEntry, BoardName, BoardWindow, HuntState, RoundInfo } from '../messages.ts';
import {
  array,
  arrayOrEmpty,
  asObject,
  flag,
  flagOrFalse,
  hash,
  hashOrNull,
  integer,
  integerOrNull,
  number,
  object,
  objects,
  objectsOrEmpty,
  text,
  textOrNull,
  time,
  timeOrNull,
  type Json,
} from '../reading.ts';

export interface HuntSummary {
  readonly hunt: string;
  /** `null` for a state that this version does not know. */
  readonly state: HuntState | null;
  readonly startsAtMs: number;
  readonly endsAtMs: number | null;
  readonly roundMs: number;
  readonly claimWindowMs: number;
  /** The H3 resolution of its cells. */
  readonly resolution: number;
  /** Of one map. */
  readonly tiles: number;
  /** Of the area. */
  readonly cells: number;
  readonly configVersion: number;
  readonly values: readonly WeightedValue[];
  /** Whether values stay hidden until their round's seed is published. */
  readonly valuesHidden: boolean;
  readonly boards: readonly BoardName[];
  /** seed(0) of the first seed chain. */
  readonly anchor: string;
}

export interface WeightedValue {
  readonly points: number;
  readonly weight: number;
}

export interface Hunt extends HuntSummary {
  readonly outline: Outline;
  /** Its boards besides those that every hunt has. */
  readonly boardDefinitions: readonly BoardDefinition[];
}

/** What a board counts, as an operator writes it. */
export interface BoardDefinition {
  readonly name: BoardName;
  /** `claims`, `events` or `both`. */
  readonly from: string;
  /** `sum`, `max`, `min`, `last` or `count`. */
  readonly operator: string;
  /** `descending` or `ascending`. */
  readonly order: string;
  /** `whole`, a length such as `10s`, `day`, `week`, `month`, or whenever a cron expression says so. */
  readonly window: string | { readonly cron: string };
  readonly zone: string | null;
  /** `server` or `event`. */
  readonly time: string;
  readonly lateness: string | null;
  /** All count if there is none. */
  readonly eventTypes: readonly string[];
  /** How many of a closed window's best are written into the log. */
  readonly results: number;
}

export interface BoardSummary {
  readonly definition: BoardDefinition;
  /** Which definition of that name: a greater one is another board. */
  readonly generation: number;
  /** How many players are on it, or on the newest of its windows that anybody is on. */
  readonly players: number;
  /** Score events that came after their window was final. */
  readonly late: number;
}

export interface WindowView {
  readonly startMs: number;
  readonly endMs: number;
  readonly final: boolean;
  /** Its end has come, and what is late may still change it. */
  readonly provisional: boolean;
  readonly players: number;
  /** Whether its results stand in the log for good. */
  readonly recorded: boolean;
}

export interface WindowPage {
  /** Newest first. */
  readonly windows: readonly WindowView[];
  /** Give it to `cursor` for the next page. */
  readonly nextCursor: string | null;
}

/** Polygons of rings of [longitude, latitude]; the first ring is the outside. */
export type Outline = readonly (readonly (readonly Coordinate[])[])[];
export type Coordinate = readonly [longitude: number, latitude: number];

export interface Cells {
  readonly configVersion: number;
  readonly resolution: number;
  readonly cells: readonly string[];
}

export interface RoundView extends RoundInfo {
  readonly hunt: string;
  readonly serverTimeMs: number;
  readonly seed: string | null;
}

export interface MapView {
  readonly hunt: string;
  readonly round: number;
  readonly map: string;
  /** By number. */
  readonly tiles: readonly TileView[];
}

export interface TileView {
  readonly tile: number;
  readonly cell: string;
  /** `null` while the hunt hides it. */
  readonly value: number | null;
}

export interface BoardPage extends Board {
  /** Give it to `cursor` for the next page. */
  readonly nextCursor: string | null;
}

export interface Standing {
  readonly board: BoardName;
  readonly window: BoardWindow;
  readonly player: string;
  readonly rank: number;
  readonly score: number;
  /** How many players are on the board. */
  readonly players: number;
  readonly position: string;
  readonly neighbours: readonly BoardEntry[];
}

export interface Guest {
  readonly player: string;
  readonly token: string;
  readonly expiresAtMs: number;
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
  readonly claimP50Ms: number;
  readonly claimP99Ms: number;
  readonly connections: number;
  readonly projections: readonly ProjectionLag[];
  readonly logBytes: number;
  readonly batchesTotal: number;
  readonly syncsTotal: number;
  readonly memoryBytes: number;
  /** What is kept, for how long, and why; `null` of an edge process, which keeps nothing. */
  readonly retention: Retention | null;
}

export interface Retention {
  readonly logS: number;
  readonly answersS: number;
  readonly eventsS: number;
  readonly oldestAtMs: number | null;
  readonly streams: readonly StreamRetention[];
}

export interface StreamRetention {
  readonly stream: string;
  readonly oldestAtMs: number | null;
  readonly records: number;
  readonly trimmedRecords: number;
  readonly bytes: number;
  readonly segments: number;
  /** Why its oldest record is still there: `retention`, `checkpoints`, `segment` or `ever`. */
  readonly keptFor: string;
}

/** How a flag is set for one hunt, one board or all. */
export interface FlagSetting {
  readonly flag: string;
  readonly hunt: string | null;
  readonly board: string | null;
  /** `null` where it was left to what holds more widely. */
  readonly value: string | boolean | null;
  /** `file` or `api`. */
  readonly by: string;
  readonly reason: string;
  readonly setAtMs: number;
}

export function readSummary(body: Json): HuntSummary {
  return {
    hunt: text(body, 'hunt'),
    state: decodeState(body['state']),
    startsAtMs: time(body, 'starts_at'),
    endsAtMs: timeOrNull(body, 'ends_at'),
    roundMs: integer(body, 'round_ms'),
    claimWindowMs: integer(body, 'claim_window_ms'),
    resolution: integer(body, 'resolution'),
    tiles: integer(body, 'tiles'),
    cells: integer(body, 'cells'),
    configVersion: integer(body, 'config_version'),
    values: objects(body, 'values').map((item) => ({
      points: integer(item, 'points'),
      weight: integer(item, 'weight'),
    })),
    valuesHidden: flag(body, 'values_hidden'),
    boards: array(body, 'boards').map(decodeBoardName).filter((board) => board !== null),
    anchor: hash(body, 'anchor'),
  };
}

export function readHunt(body: Json): Hunt {
  return {
    ...readSummary(body),
    outline: readOutline(object(body, 'outline')),
    boardDefinitions: objectsOrEmpty(body, 'board_definitions').map(readDefinition),
  };
}

export function readDefinition(body: Json): BoardDefinition {
  const { window } = body;
  return {
    name: text(body, 'name'),
    from: text(body, 'from'),
    operator: text(body, 'operator'),
    order: textOrNull(body, 'order') ?? 'descending',
    window: asObject(window) === null ? (textOrNull(body, 'window') ?? 'whole') : { cron: text(object(body, 'window'), 'cron') },
    zone: textOrNull(body, 'zone'),
    time: textOrNull(body, 'time') ?? 'server',
    lateness: textOrNull(body, 'lateness'),
    eventTypes: arrayOrEmpty(body, 'event_types').filter((type) => typeof type === 'string'),
    results: integerOrNull(body, 'results') ?? 0,
  };
}

export function readBoardSummary(body: Json): BoardSummary {
  return {
    definition: readDefinition(object(body, 'definition')),
    generation: integerOrNull(body, 'generation') ?? 0,
    players: integer(body, 'players'),
    late: integerOrNull(body, 'late') ?? 0,
  };
}

export function readWindow(body: Json): WindowView {
  return {
    startMs: time(body, 'start'),
    endMs: time(body, 'end'),
    final: flag(body, 'final'),
    provisional: flagOrFalse(body, 'provisional'),
    players: integer(body, 'players'),
    recorded: flagOrFalse(body, 'recorded'),
  };
}

export function readCells(body: Json): Cells {
  return {
    configVersion: integer(body, 'config_version'),
    resolution: integer(body, 'resolution'),
    cells: array(body, 'cells').filter((cell) => typeof cell === 'string'),
  };
}

export function readRoundView(body: Json): RoundView {
  return {
    ...decodeRound(body),
    hunt: text(body, 'hunt'),
    serverTimeMs: time(body, 'server_time'),
    seed: hashOrNull(body, 'seed'),
  };
}

export function readMap(body: Json): MapView {
  return {
    hunt: text(body, 'hunt'),
    round: integer(body, 'round'),
    map: hash(body, 'map'),
    tiles: objects(body, 'tiles').map((item) => ({
      tile: integer(item, 'tile'),
      cell: text(item, 'cell'),
      value: item['value'] === undefined ? null : integer(item, 'value'),
    })),
  };
}

export function readStanding(board: BoardName, body: Json): Standing {
  return {
    board,
    window: decodeWindow(object(body, 'window')),
    player: text(body, 'player'),
    rank: integer(body, 'rank'),
    score: integer(body, 'score'),
    players: integer(body, 'of'),
    position: text(body, 'position'),
    neighbours: objects(body, 'neighbours').map(decodeEntry),
  };
}

export function readGuest(body: Json): Guest {
  return { player: text(body, 'player'), token: text(body, 'token'), expiresAtMs: time(body, 'expires_at') };
}

export function readStats(body: Json): Stats {
  const log = object(body, 'log');
  const refused = object(body, 'refused_total');
  return {
    serverTimeMs: time(body, 'server_time'),
    uptimeS: number(body, 'uptime_s'),
    attemptsTotal: integer(body, 'attempts_total'),
    wonTotal: integer(body, 'won_total'),
    takenTotal: integer(body, 'taken_total'),
    refusedTotal: Object.fromEntries(Object.keys(refused).map((kind) => [kind, integer(refused, kind)])),
    unansweredTotal: integer(body, 'unanswered_total'),
    eventsTotal: integer(body, 'events_total'),
    claimP50Ms: number(body, 'claim_p50_ms'),
    claimP99Ms: number(body, 'claim_p99_ms'),
    connections: integer(body, 'connections'),
    projections: objects(body, 'projections').map((item) => ({
      name: text(item, 'name'),
      lagMs: number(item, 'lag_ms'),
      lagRecords: integer(item, 'lag_records'),
    })),
    logBytes: integer(log, 'bytes'),
    batchesTotal: integer(log, 'batches_total'),
    syncsTotal: integer(log, 'syncs_total'),
    memoryBytes: integer(body, 'memory_bytes'),
    retention: body['retention'] === undefined ? null : readRetention(object(body, 'retention')),
  };
}

function readRetention(body: Json): Retention {
  return {
    logS: integer(body, 'log_s'),
    answersS: integer(body, 'answers_s'),
    eventsS: integer(body, 'events_s'),
    oldestAtMs: timeOrNull(body, 'oldest_at'),
    streams: objects(body, 'streams').map((item) => ({
      stream: text(item, 'stream'),
      oldestAtMs: timeOrNull(item, 'oldest_at'),
      records: integer(item, 'records'),
      trimmedRecords: integer(item, 'trimmed_records'),
      bytes: integer(item, 'bytes'),
      segments: integer(item, 'segments'),
      keptFor: text(item, 'kept_for'),
    })),
  };
}

export function readFlag(body: Json): FlagSetting {
  const { value } = body;
  return {
    flag: text(body, 'flag'),
    hunt: textOrNull(body, 'hunt'),
    board: textOrNull(body, 'board'),
    value: typeof value === 'string' || typeof value === 'boolean' ? value : null,
    by: text(body, 'by'),
    reason: text(body, 'reason'),
    setAtMs: time(body, 'set_at'),
  };
}

/** Geometries that have no area, and whatever else GeoJSON may grow, are left out. */
function readOutline(geometry: Json): Outline {
  switch (geometry['type']) {
    case 'Polygon':
      return [readPolygon(array(geometry, 'coordinates'))];
    case 'MultiPolygon':
      return array(geometry, 'coordinates').filter(Array.isArray).map(readPolygon);
    case 'GeometryCollection':
      return objects(geometry, 'geometries').flatMap(readOutline);
    case 'Feature':
      return readOutline(object(geometry, 'geometry'));
    case 'FeatureCollection':
      return objects(geometry, 'features').flatMap(readOutline);
    default:
      return [];
  }
}

function readPolygon(rings: readonly unknown[]): Coordinate[][] {
  return rings.filter(Array.isArray).map((ring: readonly unknown[]) =>
    ring.filter(Array.isArray).flatMap(([longitude, latitude]: readonly unknown[]): Coordinate[] =>
      typeof longitude === 'number' && typeof latitude === 'number' ? [[longitude, latitude]] : [],
    ),
  );
}

/** A problem's name and words, from a body that should be one (RFC 9457). */
export function readProblem(body: unknown): { readonly name: string | null; readonly words: string | null; readonly retryAfterMs: number | null } {
  const problem = asObject(body) ?? {};
  const { type, title, detail, retry_after_ms: retryAfterMs } = problem as Record<string, unknown>;
  const words = [detail, title].find((one) => typeof one === 'string' && one !== '');
  return {
    name: typeof type === 'string' ? type.slice(type.lastIndexOf('/') + 1) : null,
    words: typeof words === 'string' ? words : null,
    retryAfterMs: typeof retryAfterMs === 'number' ? retryAfterMs : null,
  };
}
