/**
 * The live socket's messages, whichever form they travel in.
 *
 * Times are milliseconds since 1970, hashes and seeds lower-case hex, positions the opaque
 * strings that the server hands out. What a receiver makes of them stands in `LiveState`.
 */

export type HuntState = 'scheduled' | 'running' | 'paused' | 'ended' | 'closed';

/**
 * Every hunt has `total` (the points of claims), `best` (the highest score event) and `second`
 * (that, for a second); others are its own.
 */
export type BoardName = string;

/** At most this many cells in an interest. */
export const INTEREST_CELLS_MAX = 64;

/** What of a hunt a socket hears. */
export type Interest =
  | 'everything'
  /** Rounds and boards, and of the claims those in these H3 cells, of any resolution up to the hunt's. */
  | { readonly cells: readonly string[] }
  /** These boards and what the hunt is doing; no rounds and no claims. */
  | { readonly boards: readonly BoardName[] };

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
  /** Whether an operator has voided it: the tile stays taken, and counts on no board. */
  readonly voided: boolean;
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

/** Which boards a hunt has: what is not among them is gone. The list with the greater version holds. */
export interface BoardList {
  readonly version: number;
  /** Built-in ones first. */
  readonly list: readonly ListedBoard[];
}

export interface ListedBoard {
  readonly board: BoardName;
  /** Which definition of that name: a greater one is another board. */
  readonly generation: number;
}

/** What an operator has corrected: why somebody has vanished from a board, or has less on it. */
export interface Correction {
  /** `claim-voided`, `disqualified` or `reinstated`. */
  readonly kind: string;
  /** Of `claim-voided`: which claim, and what it was worth. */
  readonly round: number | null;
  readonly tile: number | null;
  readonly points: number | null;
  /** `null` once that player was erased. */
  readonly player: string | null;
  readonly reason: string;
  readonly correctedAtMs: number;
  /** No two corrections share one. */
  readonly position: string;
}

export interface Board {
  readonly board: BoardName;
  /** Which definition of that name: a greater one is another board. 0 for a built-in one. */
  readonly generation: number;
  readonly window: BoardWindow;
  readonly position: string;
  /** How many players stand on the board, beyond the entries shown. */
  readonly players: number;
  readonly entries: readonly BoardEntry[];
}

/** A player's own place; `rank` and `score` are `null` while the player is not on the board. */
export interface Rank {
  readonly board: BoardName;
  readonly player: string;
  readonly rank: number | null;
  readonly score: number | null;
  readonly players: number;
  readonly position: string;
}

interface Told {
  /** The server's clock when it was written. */
  readonly serverTimeMs: number;
}

/** The answer to `subscribe`. A snapshot follows unless `resumed`. */
export interface Subscribed extends Told {
  readonly type: 'subscribed';
  readonly hunt: string;
  /** Whom the token names; `null` for those who only watch. */
  readonly player: string | null;
  /** Whether what was known before goes on to hold; otherwise a snapshot replaces it. */
  readonly resumed: boolean;
  readonly tick: number;
  readonly resume: string;
  readonly tickMs: number;
  /** What is sent from now on, cells in order and none within another. */
  readonly interest: Interest;
  readonly ownRank: BoardName | null;
}

export interface RoundOpened extends RoundInfo, Told {
  readonly type: 'round';
  readonly hunt: string;
}

/** What one tick has changed, or several for a slow client. */
export interface Delta extends Told {
  readonly type: 'delta';
  readonly tick: number;
  /** The first tick of several that this delta merges. */
  readonly fromTick: number | null;
  readonly resume: string;
  /** Rounds before this one are no longer shown. */
  readonly oldest: number;
  readonly claims: readonly RoundClaim[];
  readonly closed: readonly number[];
  readonly seeds: readonly RevealedSeed[];
  readonly state: HuntState | null;
  readonly corrections: readonly Correction[];
  /** If that has changed. */
  readonly boards: BoardList | null;
}

export interface SnapshotRound extends RoundInfo {
  /** The last closed rounds come along, with the open ones. */
  readonly closed: boolean;
  readonly seed: string | null;
  readonly claims: readonly TileClaim[];
}

/** All there is; replaces what was known, but for boards that it lacks. */
export interface Snapshot extends Told {
  readonly type: 'snapshot';
  readonly tick: number;
  readonly resume: string;
  readonly hunt: string;
  /** `null` for a state that this version does not know. */
  readonly state: HuntState | null;
  readonly oldest: number;
  readonly rounds: readonly SnapshotRound[];
  readonly board: Board | null;
  /** The last ones, oldest first. */
  readonly corrections: readonly Correction[];
  readonly boards: BoardList | null;
}

/** The last one received is the newest. */
export interface BoardMessage extends Board, Told {
  readonly type: 'board';
}

export interface RankMessage extends Rank, Told {
  readonly type: 'rank';
}

/** What came of a claim. */
export interface Outcome extends Told {
  readonly type: 'outcome';
  readonly id: string;
  /** `won`, `taken`, `expired`, which are final, or why nothing was decided. */
  readonly outcome: string;
  readonly round: number;
  readonly tile: number;
  /** Of `won`. */
  readonly points: number | null;
  /** Of `won`: where the claim stands, and so the `at_least` with which a board shows it. */
  readonly position: string | null;
  /** Of `taken`: where the winner's claim stands. */
  readonly winnerPosition: string | null;
  readonly retryAfterMs: number | null;
  readonly detail: string | null;
}

export interface ErrorMessage extends Told {
  readonly type: 'error';
  /** Of the message at fault, if it had one. */
  readonly id: string | null;
  /** A problem's name, such as `unknown-cell`. */
  readonly code: string;
  readonly detail: string;
}

export type ServerMessage =
  | Subscribed
  | RoundOpened
  | Delta
  | Snapshot
  | BoardMessage
  | RankMessage
  | Outcome
  | ErrorMessage;

export interface Subscribe {
  readonly type: 'subscribe';
  readonly resume?: string;
  readonly interest?: Interest;
  readonly ownRank?: BoardName;
}

export interface Claim {
  readonly type: 'claim';
  /** The client's own, of 1 to 64 bytes, to find the answer by. */
  readonly id: string;
  readonly round: number;
  readonly tile: number;
  readonly answer?: string;
}

export type ClientMessage = Subscribe | Claim;
