/** Where the player stands: from the board if on it, else as last asked for. */
import type { PlayerRank } from '../protocol/api';
import type { Board } from '../protocol/messages';

export interface OwnRank {
  readonly rank: number;
  readonly score: number;
  readonly of: number;
}

export function ownRank(board: Board | null, asked: PlayerRank | null, player: string | null): OwnRank | null {
  if (player === null) return null;
  const entry = board?.entries.find((one) => one.player === player);
  if (board !== null && entry !== undefined) return { rank: entry.rank, score: entry.score, of: board.players };
  if (asked === null || asked.player !== player) return null;
  return { rank: asked.rank, score: asked.score, of: Math.max(asked.of, board?.players ?? 0) };
}
