/**
 * What a hunt looks like to this client: a fold over the server's messages.
 *
 * It has no clock and no socket. Messages may come twice, and a delta may cover several ticks;
 * after any number of lost connections, resumed anywhere, the state is what the log says of
 * the client's interest. It takes in what is public: the player's own attempts are not in it
 * until a delta says so.
 */
import type {
  Board,
  BoardList,
  BoardName,
  Correction,
  Delta,
  HuntState,
  Interest,
  Rank,
  RoundInfo,
  ServerMessage,
  Snapshot,
  Subscribed,
  TileClaim,
} from '../messages.ts';

export interface Holder {
  /** `null` once that player was erased. */
  readonly player: string | null;
  readonly points: number;
  /** Whether an operator has voided the claim: it counts on no board. */
  readonly voided: boolean;
}

/** So many corrections are kept: the last ones. */
const CORRECTIONS_MAX = 64;

/** A round and who won what. Replaced by another object whenever something in it changes. */
export interface LiveRound {
  readonly info: RoundInfo;
  /** Whether its claim window has passed. */
  readonly closed: boolean;
  /** Its seed, once it may be known. */
  readonly seed: string | null;
  /** By tile. This one grows in place; take a copy to keep what it holds now. */
  readonly claims: ReadonlyMap<number, Holder>;
}

/** The state as others see it. */
export interface LiveView {
  /** `null` until the first snapshot. */
  readonly huntState: HuntState | null;
  /** The open rounds and the last closed ones, oldest first. */
  readonly rounds: ReadonlyMap<number, LiveRound>;
  /** The latest version of each board. */
  readonly boards: ReadonlyMap<BoardName, Board>;
  /** Which boards the hunt has; `null` until the first snapshot. */
  readonly listed: BoardList | null;
  /** The last corrections, oldest first: why somebody has vanished from a board, or has less. */
  readonly corrections: readonly Correction[];
  /** The player's own place on the board asked for. */
  readonly rank: Rank | null;
  /** Who the server says this connection plays as. */
  readonly player: string | null;
  /** What of the hunt this shows; the server's own spelling. */
  readonly interest: Interest;
  /** Where to go on after a reconnect, on any process; only the server understands it. */
  readonly resume: string | null;
  /** The last tick seen, in the connected process's own count. */
  readonly tick: number;
  /** Rounds before this one are no longer shown. */
  readonly oldest: number;
  newestOpen(): LiveRound | null;
}

type Growing = LiveRound & { readonly claims: Map<number, Holder> };

export class LiveState implements LiveView {
  huntState: HuntState | null = null;
  listed: BoardList | null = null;
  corrections: readonly Correction[] = [];
  rank: Rank | null = null;
  player: string | null = null;
  interest: Interest = 'everything';
  resume: string | null = null;
  tick = 0;
  oldest = 0;
  #rounds = new Map<number, Growing>();
  readonly #boards = new Map<BoardName, Board>();

  get rounds(): ReadonlyMap<number, LiveRound> {
    return this.#rounds;
  }

  get boards(): ReadonlyMap<BoardName, Board> {
    return this.#boards;
  }

  newestOpen(): LiveRound | null {
    let newest: LiveRound | null = null;
    for (const round of this.#rounds.values()) {
      if (!round.closed && round.info.round > (newest?.info.round ?? 0)) newest = round;
    }
    return newest;
  }

  /** Outcomes and errors leave the state as it is. */
  apply(message: ServerMessage): void {
    switch (message.type) {
      case 'subscribed':
        this.#subscribed(message);
        break;
      case 'round':
        this.#open(message);
        break;
      case 'delta':
        this.#change(message);
        break;
      case 'snapshot':
        this.#replace(message);
        break;
      case 'board':
        this.#show(message);
        break;
      case 'rank': {
        const { board, player, rank, score, players, position } = message;
        this.rank = { board, player, rank, score, players, position };
        break;
      }
      case 'outcome':
      case 'error':
        break;
    }
  }

  #subscribed({ tick, player, interest, ownRank, resumed }: Subscribed): void {
    this.tick = tick;
    this.player = player;
    this.interest = interest;
    // Until the snapshot is here, there is no position that this state could go on from.
    if (!resumed) this.resume = null;
    for (const board of this.#boards.keys()) {
      if (!showsBoard(interest, board)) this.#boards.delete(board);
    }
    if (this.rank?.board !== ownRank || this.rank.player !== player) this.rank = null;
  }

  #open(info: RoundInfo): void {
    // A repetition must neither empty nor reopen the round.
    if (info.round < this.oldest || this.#rounds.has(info.round)) return;
    this.#rounds.set(info.round, { info: roundInfo(info), closed: false, seed: null, claims: new Map() });
  }

  #change(delta: Delta): void {
    for (const [number, claims] of byRound(delta.claims)) {
      const round = this.#rounds.get(number);
      if (round === undefined) continue;
      addTo(round.claims, claims);
      this.#rounds.set(number, { ...round });
    }
    for (const number of delta.closed) this.#update(number, { closed: true });
    for (const { round, seed } of delta.seeds) this.#update(round, { seed });
    if (delta.state !== null) this.huntState = delta.state;
    this.#correct(delta.corrections);
    if (delta.boards !== null) this.#list(delta.boards);
    this.oldest = Math.max(this.oldest, delta.oldest);
    for (const number of this.#rounds.keys()) {
      if (number < this.oldest) this.#rounds.delete(number);
    }
    this.tick = delta.tick;
    this.resume = delta.resume;
  }

  #replace(snapshot: Snapshot): void {
    this.huntState = snapshot.state;
    this.oldest = snapshot.oldest;
    this.tick = snapshot.tick;
    this.resume = snapshot.resume;
    this.#rounds = new Map(
      snapshot.rounds.map((round) => {
        const { closed, seed, claims } = round;
        return [round.round, { info: roundInfo(round), closed, seed, claims: addTo(new Map(), claims) }];
      }),
    );
    this.corrections = [];
    this.#correct(snapshot.corrections);
    if (snapshot.boards !== null) this.#list(snapshot.boards);
    // Other boards stay until their next version comes, so that nobody vanishes (I6).
    if (snapshot.board !== null) this.#show(snapshot.board);
  }

  /** A version of a board, unless a later definition of it is shown already. */
  #show(board: Board): void {
    if (this.listed !== null && !admits(this.listed, board)) return;
    if ((this.#boards.get(board.board)?.generation ?? 0) <= board.generation) this.#boards.set(board.board, boardOf(board));
  }

  /** Forgets boards that the hunt no longer has, unless the list is an older one. */
  #list(boards: BoardList): void {
    if (this.listed !== null && this.listed.version > boards.version) return;
    this.listed = boards;
    for (const [name, board] of this.#boards) if (!admits(boards, board)) this.#boards.delete(name);
  }

  #correct(told: readonly Correction[]): void {
    if (told.length === 0) return;
    const known = new Map([...this.corrections, ...told].map((correction) => [correction.position, correction]));
    const order = (left: Correction, right: Correction): number =>
      left.correctedAtMs - right.correctedAtMs || (left.position < right.position ? -1 : 1);
    this.corrections = [...known.values()].sort(order).slice(-CORRECTIONS_MAX);
    for (const { kind, round: number, tile } of told) {
      const round = kind === 'claim-voided' && number !== null ? this.#rounds.get(number) : undefined;
      const claim = tile === null ? undefined : round?.claims.get(tile);
      if (round === undefined || tile === null || claim === undefined) continue;
      round.claims.set(tile, { ...claim, voided: true });
      this.#rounds.set(round.info.round, { ...round });
    }
  }

  #update(number: number, change: { readonly closed?: boolean; readonly seed?: string }): void {
    const round = this.#rounds.get(number);
    if (round !== undefined) this.#rounds.set(number, { ...round, ...change });
  }
}

/** Whether two interests hear of the same claims, so that the one can resume the other. */
export function showsSameClaims(one: Interest, other: Interest): boolean {
  if (one === 'everything' || other === 'everything') return one === other;
  if ('boards' in one || 'boards' in other) return 'boards' in one && 'boards' in other;
  const [cells, others] = [new Set(one.cells), new Set(other.cells)];
  return cells.size === others.size && [...cells].every((cell) => others.has(cell));
}

function showsBoard(interest: Interest, board: BoardName): boolean {
  return interest === 'everything' || !('boards' in interest) || interest.boards.includes(board);
}

/** Whether that is a board that the hunt has, or one that came after the list. */
function admits({ version, list }: BoardList, { board, generation }: Board): boolean {
  const listed = list.find((one) => one.board === board);
  return listed === undefined ? generation > version : generation >= listed.generation;
}

function byRound(claims: Delta['claims']): Map<number, TileClaim[]> {
  const found = new Map<number, TileClaim[]>();
  for (const claim of claims) {
    const known = found.get(claim.round);
    if (known === undefined) found.set(claim.round, [claim]);
    else known.push(claim);
  }
  return found;
}

function addTo(claims: Map<number, Holder>, added: readonly TileClaim[]): Map<number, Holder> {
  for (const { tile, player, points, voided } of added) {
    // A correction may have come first.
    claims.set(tile, { player, points, voided: voided || claims.get(tile)?.voided === true });
  }
  return claims;
}

function roundInfo(message: RoundInfo): RoundInfo {
  const { round, configVersion, map, commitment, layout, tiles, opensAtMs, closesAtMs } = message;
  return { round, configVersion, map, commitment, layout, tiles, opensAtMs, closesAtMs };
}

function boardOf({ board, generation, window, position, players, entries }: Board): Board {
  return { board, generation, window, position, players, entries };
}
