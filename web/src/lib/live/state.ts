/**
 * What the hunt looks like to this client: a pure fold over the server's messages.
 *
 * It has no clock and no socket. Claims only ever appear, never change and go with their
 * round, so a delta that is applied twice, or that covers several ticks, changes nothing
 * that it should not. It decides nothing about the player's own attempts (attempts.ts).
 */
import type {
  Board,
  Delta,
  HuntState,
  RoundInfo,
  ServerMessage,
  Snapshot,
  TileClaim,
} from '../protocol/messages';

/** Closed rounds remembered, so that a late or repeated message cannot reopen one. */
const CLOSED_MAX = 1024;
/** Rounds claimed in before they were announced; more would be a fault of the server. */
const UNANNOUNCED_MAX = 64;

export interface Claim {
  /** `null` where an outcome told that the tile is taken, but not yet by whom. */
  readonly player: string | null;
  readonly points: number;
}

export type Claims = ReadonlyMap<number, Claim>;

export interface OpenRound {
  readonly info: RoundInfo;
  readonly claims: Claims;
}

export interface LiveState {
  readonly huntState: HuntState | null;
  readonly tick: number;
  /** Where to go on after a reconnect; a string only the server understands. */
  readonly resume: string | null;
  readonly rounds: ReadonlyMap<number, OpenRound>;
  /** Claims in rounds that this client has not been told of yet. */
  readonly unannounced: ReadonlyMap<number, Claims>;
  readonly closed: ReadonlySet<number>;
  readonly boards: ReadonlyMap<string, Board>;
  /** Who the server says this connection plays as. */
  readonly player: string | null;
}

export const NOTHING_KNOWN: LiveState = {
  huntState: null,
  tick: 0,
  resume: null,
  rounds: new Map(),
  unannounced: new Map(),
  closed: new Set(),
  boards: new Map(),
  player: null,
};

export function reduce(state: LiveState, message: ServerMessage): LiveState {
  switch (message.type) {
    case 'subscribed':
      return {
        ...state,
        player: message.player,
        tick: message.tick,
        // Until the snapshot is here, the old position is still the one to resume from.
        resume: message.resumed ? (message.resume ?? state.resume) : state.resume,
      };
    case 'round':
      return announce(state, message);
    case 'delta':
      return applyDelta(state, message);
    case 'snapshot':
      return fromSnapshot(state, message);
    case 'board':
      return withBoards(state, [message.board]);
    case 'outcome':
      return applyOutcome(state, message.round, message.tile, message.outcome, message.points ?? 0);
    case 'error':
      return state;
  }
}

/** Rounds whose time has run out go even if the message that closes them was lost. */
export function dropRoundsClosedBefore(state: LiveState, serverTimeMs: number): LiveState {
  const over = [...state.rounds.values()].filter(({ info }) => info.closesAtMs < serverTimeMs);
  return over.length === 0 ? state : close(state, over.map(({ info }) => info.round));
}

/** A round learned of by asking for it, not from the socket. */
export function announce(state: LiveState, info: RoundInfo): LiveState {
  if (state.closed.has(info.round) || state.rounds.has(info.round)) return state;
  const rounds = new Map(state.rounds);
  const claims = state.unannounced.get(info.round) ?? new Map();
  rounds.set(info.round, { info: roundInfo(info), claims });
  if (!state.unannounced.has(info.round)) return { ...state, rounds };
  const unannounced = new Map(state.unannounced);
  unannounced.delete(info.round);
  return { ...state, rounds, unannounced };
}

function applyDelta(state: LiveState, delta: Delta): LiveState {
  const byRound = new Map<number, TileClaim[]>();
  for (const claim of delta.claims) {
    const claims = byRound.get(claim.round);
    if (claims === undefined) byRound.set(claim.round, [claim]);
    else claims.push(claim);
  }
  let next: LiveState = {
    ...state,
    tick: delta.tick,
    resume: delta.resume ?? state.resume,
    huntState: delta.state ?? state.huntState,
  };
  for (const [round, claims] of byRound) next = addClaims(next, round, claims);
  const gone = [...next.rounds.keys(), ...next.unannounced.keys()].filter((round) => round < delta.oldest);
  const closing = [...delta.closed, ...gone];
  return closing.length === 0 ? next : close(next, closing);
}

function fromSnapshot(state: LiveState, snapshot: Snapshot): LiveState {
  const rounds = new Map<number, OpenRound>();
  const closed = new Set<number>();
  for (const round of snapshot.rounds) {
    if (round.closed) closed.add(round.round);
    else rounds.set(round.round, { info: roundInfo(round), claims: addTo(new Map(), round.claims) });
  }
  return withBoards(
    {
      ...state,
      huntState: snapshot.state,
      tick: snapshot.tick,
      resume: snapshot.resume,
      rounds,
      unannounced: new Map(),
      closed,
      // Kept until others come, so that nobody vanishes (I6); but any other is now newer,
      // for this may be another server's count of revisions.
      boards: new Map([...state.boards].map(([name, board]) => [name, { ...board, revision: -1 }])),
    },
    snapshot.boards,
  );
}

function applyOutcome(
  state: LiveState,
  round: number,
  tile: number,
  outcome: string,
  points: number,
): LiveState {
  if (!state.rounds.has(round)) return state;
  if (outcome === 'won') {
    return addClaims(state, round, [{ tile, player: state.player, points }]);
  }
  if (outcome === 'taken') return addClaims(state, round, [{ tile, player: null, points: 0 }]);
  return state;
}

type Taken = Claim & { readonly tile: number };

function addClaims(state: LiveState, round: number, claims: readonly Taken[]): LiveState {
  const open = state.rounds.get(round);
  if (open !== undefined) {
    const rounds = new Map(state.rounds);
    rounds.set(round, { info: open.info, claims: addTo(open.claims, claims) });
    return { ...state, rounds };
  }
  if (state.closed.has(round)) return state;
  const unannounced = new Map(state.unannounced);
  unannounced.set(round, addTo(unannounced.get(round) ?? new Map(), claims));
  trim(unannounced, UNANNOUNCED_MAX);
  return { ...state, unannounced };
}

/** The first claim with a name stays: a tile has one winner (I1). */
function addTo(known: Claims, claims: readonly Taken[]): Claims {
  const next = new Map(known);
  for (const { tile, player, points } of claims) {
    const winner = next.get(tile);
    if (winner === undefined || winner.player === null) next.set(tile, { player, points });
  }
  return next;
}

function close(state: LiveState, closing: readonly number[]): LiveState {
  const rounds = new Map(state.rounds);
  const unannounced = new Map(state.unannounced);
  const closed = new Set(state.closed);
  for (const round of closing) {
    rounds.delete(round);
    unannounced.delete(round);
    closed.add(round);
  }
  trim(closed, CLOSED_MAX);
  return { ...state, rounds, unannounced, closed };
}

function withBoards(state: LiveState, boards: readonly Board[]): LiveState {
  if (boards.length === 0) return state;
  const next = new Map(state.boards);
  for (const board of boards) {
    if (board.revision >= (next.get(board.board)?.revision ?? -1)) next.set(board.board, board);
  }
  return { ...state, boards: next };
}

/** Drops the oldest entries; Maps and Sets keep the order of insertion. */
function trim(collection: Map<number, unknown> | Set<number>, max: number): void {
  for (const key of collection.keys()) {
    if (collection.size <= max) return;
    collection.delete(key);
  }
}

function roundInfo(message: RoundInfo): RoundInfo {
  const { round, configVersion, map, commitment, layout, tiles, opensAtMs, closesAtMs } = message;
  return { round, configVersion, map, commitment, layout, tiles, opensAtMs, closesAtMs };
}
