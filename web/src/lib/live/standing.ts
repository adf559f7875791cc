/** Where the player stands: from the board if on it, else as the server told this player alone. */
import type { Board, Rank } from 'huntcore-client';

export interface Standing {
  readonly rank: number;
  readonly score: number;
  readonly of: number;
}

export function ownStanding(board: Board | null, told: Rank | null, player: string | null): Standing | null {
  if (player === null) return null;
  const entry = board?.entries.find((one) => one.player === player);
  if (board !== null && entry !== undefined) return { rank: entry.rank, score: entry.score, of: board.players };
  if (told === null || told.player !== player || told.rank === null || told.score === null) return null;
  return { rank: told.rank, score: told.score, of: Math.max(told.players, board?.players ?? 0) };
}
