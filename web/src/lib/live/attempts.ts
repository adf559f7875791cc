/**
 * The player's own attempts: pending, answered, and which of them to send (again) now.
 *
 * An attempt is a (round, tile). Sending it twice is safe by the server's promise (I3:
 * same attempt, same answer), so everything without a final answer is simply sent again
 * after a reconnect. Pure: the caller brings the time.
 */
import type { Outcome } from '../protocol/messages';

/** Answered attempts kept to look back at. */
export const HISTORY_MAX = 200;
/** Unanswered on a live connection for this long: ask again. */
const ANSWER_WAIT_MS = 5_000;
const RETRY_BASE_MS = 400;
const RETRY_MAX_MS = 8_000;
const TRIES_MAX = 8;

/** Refusals that say nothing about the tile; the same attempt may still win. */
const TEMPORARY: readonly string[] = ['outcome-unknown', 'overloaded', 'not-yet-open'];

export interface Attempt {
  readonly round: number;
  readonly tile: number;
  readonly startedAtMs: number;
  /** `pending`, or the server's word for how it ended. */
  readonly outcome: string;
  readonly points: number;
  readonly tries: number;
  /** When to send it again if nothing has come; infinite once answered. */
  readonly dueAtMs: number;
}

/** Newest first. */
export type Attempts = readonly Attempt[];

export const PENDING = 'pending';

export function attemptId(attempt: { readonly round: number; readonly tile: number }): string {
  return `${attempt.round}.${attempt.tile}`;
}

export function find(attempts: Attempts, round: number, tile: number): Attempt | undefined {
  return attempts.find((attempt) => attempt.round === round && attempt.tile === tile);
}

/** Adds an attempt that is due at once; one that is pending or decided stays as it is. */
export function begin(attempts: Attempts, round: number, tile: number, nowMs: number): Attempts {
  const known = find(attempts, round, tile);
  if (known !== undefined && (known.outcome === PENDING || isFinal(known.outcome))) return attempts;
  const attempt: Attempt = {
    round,
    tile,
    startedAtMs: nowMs,
    outcome: PENDING,
    points: 0,
    tries: 0,
    dueAtMs: nowMs,
  };
  return bounded([attempt, ...attempts.filter((other) => other !== known)]);
}

/** What must be sent now, oldest first. */
export function due(attempts: Attempts, nowMs: number): Attempt[] {
  return attempts.filter(({ outcome, dueAtMs }) => outcome === PENDING && dueAtMs <= nowMs).reverse();
}

export function sent(attempts: Attempts, attempt: Attempt, nowMs: number): Attempts {
  return update(attempts, attempt, { tries: attempt.tries + 1, dueAtMs: nowMs + ANSWER_WAIT_MS });
}

/** A new connection knows nothing of what was asked on the old one: all is due at once. */
export function reconnected(attempts: Attempts, nowMs: number): Attempts {
  return attempts.map((attempt) =>
    attempt.outcome === PENDING ? { ...attempt, tries: 0, dueAtMs: nowMs } : attempt,
  );
}

export function answered(attempts: Attempts, outcome: Outcome, nowMs: number): Attempts {
  const attempt = find(attempts, outcome.round, outcome.tile);
  if (attempt === undefined || attempt.outcome !== PENDING) return attempts;
  if (TEMPORARY.includes(outcome.outcome) && attempt.tries < TRIES_MAX) {
    const backoffMs = Math.min(RETRY_BASE_MS * 2 ** Math.max(0, attempt.tries - 1), RETRY_MAX_MS);
    return update(attempts, attempt, { dueAtMs: nowMs + (outcome.retryAfterMs ?? backoffMs) });
  }
  return update(attempts, attempt, {
    outcome: outcome.outcome,
    points: outcome.points ?? 0,
    dueAtMs: Number.POSITIVE_INFINITY,
  });
}

/** `won`, `taken` and `expired` never change (I3); after any other the player may try again. */
export function isFinal(outcome: string): boolean {
  return outcome === 'won' || outcome === 'taken' || outcome === 'expired';
}

export interface Tally {
  readonly won: number;
  readonly lost: number;
  readonly points: number;
}

export function tally(attempts: Attempts): Tally {
  let won = 0;
  let lost = 0;
  let points = 0;
  for (const attempt of attempts) {
    if (attempt.outcome === 'won') {
      won += 1;
      points += attempt.points;
    } else if (attempt.outcome === 'taken' || attempt.outcome === 'expired') {
      lost += 1;
    }
  }
  return { won, lost, points };
}

export function encode(attempts: Attempts): string {
  return JSON.stringify(attempts.map((one) => [one.round, one.tile, one.startedAtMs, one.outcome, one.points]));
}

/** Reads what `encode` wrote; anything else in the store counts as nothing. */
export function decode(stored: string | null): Attempts {
  let rows: unknown;
  try {
    rows = JSON.parse(stored ?? '[]');
  } catch {
    return [];
  }
  if (!Array.isArray(rows)) return [];
  return bounded(
    rows.flatMap((row: unknown): Attempt[] => {
      if (!Array.isArray(row)) return [];
      const [round, tile, startedAtMs, outcome, points] = row as unknown[];
      if (!Number.isSafeInteger(round) || !Number.isSafeInteger(tile)) return [];
      if (typeof startedAtMs !== 'number' || typeof outcome !== 'string') return [];
      return [
        {
          round: round as number,
          tile: tile as number,
          startedAtMs,
          outcome,
          points: typeof points === 'number' ? points : 0,
          tries: 0,
          dueAtMs: outcome === PENDING ? 0 : Number.POSITIVE_INFINITY,
        },
      ];
    }),
  );
}

function update(attempts: Attempts, target: Attempt, change: Partial<Attempt>): Attempts {
  return attempts.map((attempt) =>
    attempt.round === target.round && attempt.tile === target.tile ? { ...attempt, ...change } : attempt,
  );
}

/** Forgets the oldest answered ones; what is pending is never forgotten. */
function bounded(attempts: Attempts): Attempts {
  if (attempts.length <= HISTORY_MAX) return attempts;
  return attempts.filter(({ outcome }, index) => index < HISTORY_MAX || outcome === PENDING);
}
