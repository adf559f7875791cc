/** Messages as text frames of JSON: subprotocol `huntcore.v1.json`. */
import type {
  Board,
  BoardEntry,
  BoardList,
  BoardName,
  BoardWindow,
  ClientMessage,
  Correction,
  HuntState,
  Interest,
  RoundClaim,
  RoundInfo,
  ServerMessage,
  TileClaim,
} from '../messages.ts';
import {
  array,
  arrayOrEmpty,
  asInteger,
  asObject,
  flag,
  flagOrFalse,
  hash,
  hashOrNull,
  integer,
  integerOrNull,
  MalformedError,
  object,
  objects,
  objectsOrEmpty,
  text,
  textOrNull,
  time,
  timeOrNull,
  type Json,
} from '../reading.ts';
import type { Form } from './form.ts';

export const json: Form = {
  protocol: 'huntcore.v1.json',
  encode: (message) => JSON.stringify(toJson(message)),
  decode(frame) {
    if (typeof frame !== 'string') throw new MalformedError('a binary frame among text frames');
    let value: unknown;
    try {
      value = JSON.parse(frame);
    } catch {
      throw new MalformedError('the frame is not JSON');
    }
    const body = asObject(value);
    if (body === null) throw new MalformedError('the frame is not a JSON object');
    return fromJson(body);
  },
};

const STATES: readonly HuntState[] = ['scheduled', 'running', 'paused', 'ended', 'closed'];

function toJson(message: ClientMessage): Json {
  if (message.type === 'claim') return { ...message };
  const { type, resume, interest, ownRank } = message;
  return {
    type,
    ...(resume === undefined ? {} : { resume }),
    ...(interest === undefined || interest === 'everything' ? {} : { interest }),
    ...(ownRank === undefined ? {} : { own_rank: ownRank }),
  };
}

function fromJson(body: Json): ServerMessage | null {
  const type = text(body, 'type');
  switch (type) {
    case 'subscribed':
      return {
        type,
        serverTimeMs: time(body, 'server_time'),
        hunt: text(body, 'hunt'),
        player: textOrNull(body, 'player'),
        resumed: flag(body, 'resumed'),
        tick: integer(body, 'tick'),
        resume: text(body, 'resume'),
        tickMs: integer(body, 'tick_ms'),
        interest: interest(body['interest']),
        ownRank: decodeBoardName(body['own_rank']),
      };
    case 'round':
      return { type, serverTimeMs: time(body, 'server_time'), hunt: text(body, 'hunt'), ...decodeRound(body) };
    case 'delta':
      return {
        type,
        serverTimeMs: time(body, 'server_time'),
        tick: integer(body, 'tick'),
        fromTick: integerOrNull(body, 'from_tick'),
        resume: text(body, 'resume'),
        oldest: integer(body, 'oldest'),
        claims: objects(body, 'claims').map(roundClaim),
        closed: arrayOrEmpty(body, 'closed').map((round) => asInteger(round, 'closed')),
        seeds: objectsOrEmpty(body, 'seeds').map((item) => ({ round: integer(item, 'round'), seed: hash(item, 'seed') })),
        state: decodeState(body['state']),
        corrections: objectsOrEmpty(body, 'corrections').map(correction),
        boards: boardList(body),
      };
    case 'snapshot':
      return {
        type,
        serverTimeMs: time(body, 'server_time'),
        tick: integer(body, 'tick'),
        resume: text(body, 'resume'),
        hunt: text(body, 'hunt'),
        state: decodeState(body['state']),
        oldest: integer(body, 'oldest'),
        rounds: objects(body, 'rounds').map((item) => ({
          ...decodeRound(item),
          closed: flagOrFalse(item, 'closed'),
          seed: hashOrNull(item, 'seed'),
          claims: objects(item, 'claims').map(claim),
        })),
        board: body['board'] === undefined ? null : decodeBoard(object(body, 'board')),
        corrections: objectsOrEmpty(body, 'corrections').map(correction),
        boards: boardList(body),
      };
    case 'board':
      return { type, serverTimeMs: time(body, 'server_time'), ...decodeBoard(body) };
    case 'rank':
      return {
        type,
        serverTimeMs: time(body, 'server_time'),
        board: text(body, 'board'),
        player: text(body, 'player'),
        rank: integerOrNull(body, 'rank'),
        score: integerOrNull(body, 'score'),
        players: integer(body, 'players'),
        position: text(body, 'position'),
      };
    case 'outcome': {
      const receipt = body['receipt'] === undefined ? null : object(body, 'receipt');
      return {
        type,
        serverTimeMs: time(body, 'server_time'),
        id: text(body, 'id'),
        outcome: text(body, 'outcome'),
        round: integer(body, 'round'),
        tile: integer(body, 'tile'),
        points: integerOrNull(body, 'points'),
        position: receipt === null ? null : text(receipt, 'position'),
        winnerPosition: textOrNull(body, 'winner_position'),
        retryAfterMs: integerOrNull(body, 'retry_after_ms'),
        detail: textOrNull(body, 'detail'),
      };
    }
    case 'error':
      return {
        type,
        serverTimeMs: time(body, 'server_time'),
        id: textOrNull(body, 'id'),
        code: text(body, 'code'),
        detail: text(body, 'detail'),
      };
    default:
      return null;
  }
}

export function decodeRound(body: Json): RoundInfo {
  return {
    round: integer(body, 'round'),
    configVersion: integer(body, 'config_version'),
    map: hash(body, 'map'),
    commitment: hash(body, 'commitment'),
    layout: hash(body, 'layout'),
    tiles: integer(body, 'tiles'),
    opensAtMs: time(body, 'opens_at'),
    closesAtMs: time(body, 'closes_at'),
  };
}

export function decodeBoard(body: Json): Board {
  return {
    board: text(body, 'board'),
    generation: integerOrNull(body, 'generation') ?? 0,
    window: decodeWindow(object(body, 'window')),
    position: text(body, 'position'),
    players: integer(body, 'players'),
    entries: objects(body, 'entries').map(decodeEntry),
  };
}

export function decodeWindow(window: Json): BoardWindow {
  return { startMs: timeOrNull(window, 'start'), endMs: timeOrNull(window, 'end'), final: flag(window, 'final') };
}

export function decodeEntry(body: Json): BoardEntry {
  return { rank: integer(body, 'rank'), player: text(body, 'player'), score: integer(body, 'score') };
}

/** `null` for a state that this version does not know, or none. */
export function decodeState(value: unknown): HuntState | null {
  return STATES.find((state) => state === value) ?? null;
}

/** `null` for none. */
export function decodeBoardName(value: unknown): BoardName | null {
  return typeof value === 'string' ? value : null;
}

function correction(body: Json): Correction {
  return {
    kind: text(body, 'kind'),
    round: integerOrNull(body, 'round'),
    tile: integerOrNull(body, 'tile'),
    points: integerOrNull(body, 'points'),
    player: textOrNull(body, 'player'),
    reason: text(body, 'reason'),
    correctedAtMs: time(body, 'corrected_at'),
    position: text(body, 'position'),
  };
}

function boardList(body: Json): BoardList | null {
  if (body['boards'] === undefined) return null;
  const boards = object(body, 'boards');
  const list = objects(boards, 'list').map((item) => ({
    board: text(item, 'board'),
    generation: integerOrNull(item, 'generation') ?? 0,
  }));
  return { version: integer(boards, 'version'), list };
}

function roundClaim(body: Json): RoundClaim {
  return { round: integer(body, 'round'), ...claim(body) };
}

function claim(body: Json): TileClaim {
  return {
    tile: integer(body, 'tile'),
    player: textOrNull(body, 'player'),
    points: integer(body, 'points'),
    voided: flagOrFalse(body, 'voided'),
  };
}

function interest(value: unknown): Interest {
  if (value === undefined) return 'everything';
  const body = asObject(value);
  if (body?.['cells'] !== undefined) {
    return {
      cells: array(body, 'cells').map((cell) => {
        if (typeof cell !== 'string') throw new MalformedError('cells holds something that is not a string');
        return cell;
      }),
    };
  }
  if (body?.['boards'] !== undefined) {
    return { boards: array(body, 'boards').map(decodeBoardName).filter((board) => board !== null) };
  }
  throw new MalformedError('interest is none that is known');
}
