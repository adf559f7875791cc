/**
 * Who moved on a board, and how far, for the arrows beside the ranks.
 *
 * Boards come several times a second; a move counts from where the player stood when it
 * began and is shown for a while, or the arrows would only flicker.
 */
import type { BoardEntry } from 'huntcore-client';

const SHOWN_MS = 4_000;

export interface Move {
  /** The rank held before the move; `null` for one who was not on the board. */
  readonly from: number | null;
  readonly rank: number;
  readonly movedAtMs: number;
}

export type Moves = ReadonlyMap<string, Move>;

export function nextMoves(moves: Moves, entries: readonly BoardEntry[], nowMs: number): Moves {
  const first = moves.size === 0;
  const next = new Map<string, Move>();
  for (const { player, rank } of entries) {
    const known = moves.get(player);
    if (known === undefined) {
      next.set(player, { from: first ? rank : null, rank, movedAtMs: nowMs });
    } else if (known.rank !== rank) {
      const going = nowMs - known.movedAtMs < SHOWN_MS;
      next.set(player, { from: going ? known.from : known.rank, rank, movedAtMs: nowMs });
    } else if (nowMs - known.movedAtMs >= SHOWN_MS && known.from !== rank) {
      next.set(player, { from: rank, rank, movedAtMs: known.movedAtMs });
    } else {
      next.set(player, known);
    }
  }
  return next;
}

/** Positive: up by so many ranks. `null`: new on the board. */
export function climbed(move: Move | undefined): number | null {
  if (move === undefined) return 0;
  return move.from === null ? null : move.from - move.rank;
}
