/**
 * Which of the open rounds is on display.
 *
 * Normally the newest. A player may hold one, to go on claiming in it until it closes: a
 * map a second is too fast to read a list of tiles, or to reach one by keyboard.
 */
import type { LiveRound } from 'huntcore-client';

/** A held round lets go this long before it closes, while a claim may still arrive. */
const LET_GO_MS = 150;
/** A round whose time ran out is shown this much longer if no message has closed it. */
const CLOSING_GRACE_MS = 1_500;

export interface Choice {
  readonly shown: LiveRound | null;
  /** The hold that remains: `null` once the held round is gone. */
  readonly held: number | null;
}

export function chooseRound(
  rounds: ReadonlyMap<number, LiveRound>,
  held: number | null,
  serverTimeMs: number,
): Choice {
  const keep = held === null ? undefined : rounds.get(held);
  if (keep !== undefined && !keep.closed && keep.info.closesAtMs - LET_GO_MS > serverTimeMs) {
    return { shown: keep, held };
  }
  return { shown: newest(rounds, serverTimeMs), held: null };
}

/** Newest first. */
export function openRounds(rounds: ReadonlyMap<number, LiveRound>, serverTimeMs: number): LiveRound[] {
  return [...rounds.values()]
    .filter(({ closed, info }) => !closed && info.closesAtMs + CLOSING_GRACE_MS >= serverTimeMs)
    .sort((left, right) => right.info.round - left.info.round);
}

function newest(rounds: ReadonlyMap<number, LiveRound>, serverTimeMs: number): LiveRound | null {
  const all = openRounds(rounds, serverTimeMs);
  // A round may be announced a moment before it opens; the clocks differ by a little too.
  return all.find(({ info }) => info.opensAtMs <= serverTimeMs + 50) ?? all[0] ?? null;
}
