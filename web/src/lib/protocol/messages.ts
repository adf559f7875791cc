/**
 * The live socket's messages, as the server writes them, and their decoder.
 *
 * The decoder refuses what it cannot use and keeps what it does not know: a message of
 * an unknown type is `null`, unknown members are ignored, so that an older console
 * keeps working against a newer server.
 */

export const SUBPROTOCOL = 'huntcore.v1.json';

export type HuntState = 'scheduled' | 'running' | 'paused' | 'ended' | 'closed';

export interface RoundInfo {
  readonly round: number;
  readonly configVersion: number;
  /** The map's name: the hash of its canonical bytes. */
  readonly map: string;
  readonly commitment: string;
  /** 32 bytes in hex: with the cell list, all that the round's tiles need. */
  readonly layout: string;
  readonly tiles: number;
  readonly opensAtMs: number;
  readonly closesAtMs: number;
}

export interface TileClaim {
  readonly tile: number;
  /** `null` once that player was erased. */
  readonly player: string | null;
  readonly points: number;
}

export interface RoundClaim extends TileClaim {
  readonly round: number;
}

export interface RevealedSeed {
  readonly round: number;
  readonly seed: string;
}

export interface BoardEntry {
  readonly rank: number;
  readonly player: string;
  readonly score: number;
}

export interface BoardWindow {
  readonly startMs: number | null;
  readonly endMs: number | null;
  readonly final: boolean;
}

export interface Board {
  readonly board: string;
  readonly window: BoardWindow;
  readonly position: string;
  /** Of two messages about a board the one with the smaller revision is the older. */
  readonly revision: number;
  /** How many players stand on the board, beyond the entries shown. */
  readonly players: number;
  readonly entries: readonly BoardEntry[];
}

export interface Subscribed {
  readonly type: 'subscribed';
  readonly hunt: string;
  readonly player: string | null;
  readonly resumed: boolean;
  readonly tick: number;
  readonly resume: string | null;
  readonly tickMs: number;
}

export interface RoundOpened extends RoundInfo {
  readonly type: 'round';
}

export interface Delta {
  readonly type: 'delta';
  readonly tick: number;
  readonly resume: string | null;
  /** Rounds before this one are no longer shown. */
  readonly oldest: number;
  readonly claims: readonly RoundClaim[];
  readonly closed: readonly number[];
  readonly seeds: readonly RevealedSeed[];
  readonly state: HuntState | null;
}

export interface SnapshotRound extends RoundInfo {
  /** The last closed rounds come along, with the open ones. */
  readonly closed: boolean;
  readonly seed: string | null;
  readonly claims: readonly TileClaim[];
}

export interface Snapshot {
  readonly type: 'snapshot';
  readonly tick: number;
  readonly resume: string | null;
  readonly state: HuntState;
  readonly rounds: readonly SnapshotRound[];
  readonly boards: readonly Board[];
}

export interface BoardMessage {
  readonly type: 'board';
  readonly board: Board;
}

export interface Outcome {
  readonly type: 'outcome';
  readonly id: string;
  readonly outcome: string;
  readonly round: number;
  readonly tile: number;
  readonly points: number | null;
  readonly position: string | null;
  readonly retryAfterMs: number | null;
  readonly detail: string | null;
}

export interface ErrorMessage {
  readonly type: 'error';
  readonly id: string | null;
  readonly code: string;
  readonly detail: string;
}

export type ServerMessage =
  | Subscribed
  | RoundOpened
  | Delta
  | Snapshot
  | BoardMessage
  | Outcome
  | ErrorMessage;

export interface Decoded {
  readonly message: ServerMessage;
  readonly serverTimeMs: number | null;
}

export type ClientMessage =
  | { type: 'subscribe'; resume?: string }
  | { type: 'claim'; id: string; round: number; tile: number };

/** `null` for anything that is not a message this console knows. */
export function decodeMessage(text: string): Decoded | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const body = asObject(value);
  if (body === null) return null;
  try {
    const message = decodeBody(body);
    return message === null ? null : { message, serverTimeMs: timeOrNull(body['server_time']) };
  } catch (error) {
    if (error instanceof MalformedError) return null;
    throw error;
  }
}

function decodeBody(body: Json): ServerMessage | null {
  switch (body['type']) {
    case 'subscribed':
      return {
        type: 'subscribed',
        hunt: text(body, 'hunt'),
        player: textOrNull(body['player']),
        resumed: body['resumed'] === true,
        tick: numberOr(body['tick'], 0),
        resume: textOrNull(body['resume']),
        tickMs: numberOr(body['tick_ms'], 100),
      };
    case 'round':
      return { type: 'round', ...decodeRound(body) };
    case 'delta':
      return {
        type: 'delta',
        tick: numberOr(body['tick'], 0),
        resume: textOrNull(body['resume']),
        oldest: numberOr(body['oldest'], 0),
        claims: list(body['claims']).map((item) => ({
          round: integer(item, 'round'),
          ...decodeClaim(item),
        })),
        closed: array(body['closed']).filter(isInteger),
        seeds: list(body['seeds']).map((item) => ({
          round: integer(item, 'round'),
          seed: hash(item, 'seed'),
        })),
        state: huntStateOrNull(body['state']),
      };
    case 'snapshot':
      return {
        type: 'snapshot',
        tick: numberOr(body['tick'], 0),
        resume: textOrNull(body['resume']),
        state: huntStateOrNull(body['state']) ?? 'running',
        rounds: list(body['rounds']).map((item) => ({
          ...decodeRound(item),
          closed: item['closed'] === true,
          seed: item['seed'] === undefined ? null : hash(item, 'seed'),
          claims: list(item['claims']).map(decodeClaim),
        })),
        boards: decodeSnapshotBoards(body),
      };
    case 'board':
      return { type: 'board', board: decodeBoard(body) };
    case 'outcome': {
      const receipt = asObject(body['receipt']);
      return {
        type: 'outcome',
        id: text(body, 'id'),
        outcome: text(body, 'outcome'),
        round: integer(body, 'round'),
        tile: integer(body, 'tile'),
        points: numberOrNull(body['points']),
        position: textOrNull(receipt?.['position']) ?? textOrNull(body['winner_position']),
        retryAfterMs: numberOrNull(body['retry_after_ms']),
        detail: textOrNull(body['detail']),
      };
    }
    case 'error':
      return {
        type: 'error',
        id: textOrNull(body['id']),
        code: textOrNull(body['code']) ?? 'error',
        detail: textOrNull(body['detail']) ?? '',
      };
    default:
      return null;
  }
}

export function decodeRound(body: Json): RoundInfo {
  return {
    round: integer(body, 'round'),
    configVersion: numberOr(body['config_version'], 1),
    map: text(body, 'map'),
    commitment: hash(body, 'commitment'),
    layout: hash(body, 'layout'),
    tiles: integer(body, 'tiles'),
    opensAtMs: time(body, 'opens_at'),
    closesAtMs: time(body, 'closes_at'),
  };
}

export function decodeBoard(body: Json): Board {
  const window = asObject(body['window']);
  const entries = list(body['entries']).map(decodeEntry);
  return {
    board: text(body, 'board'),
    window: {
      startMs: timeOrNull(window?.['start']),
      endMs: timeOrNull(window?.['end']),
      final: window?.['final'] === true,
    },
    position: textOrNull(body['position']) ?? '',
    revision: numberOr(body['revision'], 0),
    players: numberOr(body['players'], entries.length),
    entries,
  };
}

export function decodeEntry(body: Json): BoardEntry {
  return { rank: integer(body, 'rank'), player: text(body, 'player'), score: integer(body, 'score') };
}

/** A snapshot carries one board, or several under either spelling. */
function decodeSnapshotBoards(body: Json): Board[] {
  const single = asObject(body['board']);
  const several = list(body['boards']);
  return [...(single === null ? [] : [single]), ...several].map(decodeBoard);
}

function decodeClaim(body: Json): TileClaim {
  return {
    tile: integer(body, 'tile'),
    player: textOrNull(body['player']),
    points: numberOr(body['points'], 0),
  };
}

const HUNT_STATES: readonly string[] = ['scheduled', 'running', 'paused', 'ended', 'closed'];

export function huntStateOrNull(value: unknown): HuntState | null {
  return typeof value === 'string' && HUNT_STATES.includes(value) ? (value as HuntState) : null;
}

// --- Reading untrusted JSON, shared with the HTTP side -------------------------------

export type Json = Readonly<Record<string, unknown>>;

/** A body lacks a member that the console cannot do without. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError';
}

export function asObject(value: unknown): Json | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Json)
    : null;
}

export function array(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The objects of an array; anything else in it is left out. */
export function list(value: unknown): Json[] {
  return array(value)
    .map(asObject)
    .filter((item) => item !== null);
}

export function text(body: Json, key: string): string {
  const value = body[key];
  if (typeof value !== 'string') throw new MalformedError(`${key} is not a string`);
  return value;
}

/** 32 bytes in lower-case hex. */
export function hash(body: Json, key: string): string {
  const value = text(body, key);
  if (!/^[0-9a-f]{64}$/.test(value)) throw new MalformedError(`${key} is not 32 bytes in hex`);
  return value;
}

export function integer(body: Json, key: string): number {
  const value = body[key];
  if (!isInteger(value)) throw new MalformedError(`${key} is not an integer`);
  return value;
}

export function time(body: Json, key: string): number {
  const value = timeOrNull(body[key]);
  if (value === null) throw new MalformedError(`${key} is not a time`);
  return value;
}

export function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

export function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

export function numberOr(value: unknown, fallback: number): number {
  return numberOrNull(value) ?? fallback;
}

export function timeOrNull(value: unknown): number | null {
  if (typeof value !== 'string') return null;
  const parsed = Date.parse(value);
  return Number.isNaN(parsed) ? null : parsed;
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}
