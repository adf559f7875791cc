/** How each tile of a round stands, for this player. */
import type { LiveRound } from 'huntcore-client';
import type { Attempts } from '../live/attempts';
import { PENDING } from '../live/attempts';

export const FREE = 0;
export const TAKEN = 1;
export const MINE = 2;
export const WAITING = 3;

export type TileState = typeof FREE | typeof TAKEN | typeof MINE | typeof WAITING;

export const STATE_NAMES = ['free', 'taken', 'mine', 'pending'] as const;

export function tileStates(round: LiveRound, attempts: Attempts, me: string | null): Uint8Array {
  const states = new Uint8Array(round.info.tiles);
  for (const attempt of attempts) {
    if (attempt.round !== round.info.round || attempt.tile >= states.length) continue;
    if (attempt.outcome === PENDING) states[attempt.tile] = WAITING;
    else if (attempt.outcome === 'won') states[attempt.tile] = MINE;
    else if (attempt.outcome === 'taken') states[attempt.tile] = TAKEN;
  }
  for (const [tile, claim] of round.claims) {
    if (tile >= states.length) continue;
    states[tile] = me !== null && claim.player === me ? MINE : TAKEN;
  }
  return states;
}

/** 0 for the table's commonest points up to 3 for its best: how loud a tile looks. */
export function tierOf(points: number, table: readonly { readonly points: number }[]): number {
  const steps = [...new Set(table.map((row) => row.points))].sort((left, right) => left - right);
  const index = steps.indexOf(points);
  if (index <= 0 || steps.length < 2) return 0;
  return Math.max(1, Math.round((index / (steps.length - 1)) * 3));
}

export function countStates(states: Uint8Array): Record<(typeof STATE_NAMES)[number], number> {
  const counts = { free: 0, taken: 0, mine: 0, pending: 0 };
  for (const state of states) {
    const name = STATE_NAMES[state];
    if (name !== undefined) counts[name] += 1;
  }
  return counts;
}
