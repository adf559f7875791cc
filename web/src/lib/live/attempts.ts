/**
 * The player's own attempts: what was tried, and how each ended.
 *
 * An attempt is a (round, tile). That it is sent, and sent again until there is an answer, is
 * the client's business; this only remembers. Pure: the caller brings the time.
 */

/** Answered attempts kept to look back at. */
export const HISTORY_MAX = 200;

export interface Attempt {
  readonly round: number;
  readonly tile: number;
  readonly startedAtMs: number;
  /** `pending`, or the server's word for how it ended. */
  readonly outcome: string;
  readonly points: number;
}

/** Newest first. */
export type Attempts = readonly Attempt[];

export const PENDING = 'pending';

export function find(attempts: Attempts, round: number, tile: number): Attempt | undefined {
  return attempts.find((attempt) => attempt.round === round && attempt.tile === tile);
}

/** Adds an attempt; one that is pending or decided stays as it is. */
export function begin(attempts: Attempts, round: number, tile: number, nowMs: number): Attempts {
  const known = find(attempts, round, tile);
  if (known !== undefined && (known.outcome === PENDING || isFinal(known.outcome))) return attempts;
  const attempt: Attempt = { round, tile, startedAtMs: nowMs, outcome: PENDING, points: 0 };
  return bounded([attempt, ...attempts.filter((other) => other !== known)]);
}

/** What has no answer yet, oldest first. */
export function pending(attempts: Attempts): Attempt[] {
  return attempts.filter(({ outcome }) => outcome === PENDING).reverse();
}

export function answered(
  attempts: Attempts,
  answer: { readonly round: number; readonly tile: number; readonly outcome: string; readonly points: number | null },
): Attempts {
  const attempt = find(attempts, answer.round, answer.tile);
  if (attempt === undefined || attempt.outcome !== PENDING) return attempts;
  const decided = { ...attempt, outcome: answer.outcome, points: answer.points ?? 0 };
  return attempts.map((other) => (other === attempt ? decided : other));
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
        },
      ];
    }),
  );
}

/** Forgets the oldest answered ones; what is pending is never forgotten. */
function bounded(attempts: Attempts): Attempts {
  if (attempts.length <= HISTORY_MAX) return attempts;
  return attempts.filter(({ outcome }, index) => index < HISTORY_MAX || outcome === PENDING);
}
