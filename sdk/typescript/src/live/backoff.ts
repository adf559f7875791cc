/** How long to wait before the next connection, and what a close code means for it. */

export interface Backoff {
  /** Before the first repetition; doubled for each further one. */
  readonly firstMs: number;
  readonly maxMs: number;
}

export const RECONNECT: Backoff = { firstMs: 300, maxMs: 15_000 };

/**
 * Exponential with jitter: half of the delay is fixed, half is drawn, so that the players
 * of a restarted server do not all come back in the same instant.
 */
export function backoffMs({ firstMs, maxMs }: Backoff, failures: number, random: number): number {
  const full = Math.min(firstMs * 2 ** Math.max(0, failures - 1), maxMs);
  return Math.round(full / 2 + (full / 2) * random);
}

export type CloseMeaning =
  /** The server stops or restarts. */
  | 'restarting'
  /** The server asks for patience. */
  | 'busy'
  /** This client read too slowly; nothing is wrong with the server. */
  | 'too-slow'
  /** The token was refused or has expired. */
  | 'forbidden'
  /** A fault of this client; trying again at once would repeat it. */
  | 'protocol'
  /** Cut without a word. */
  | 'lost';

export function closeMeaning(code: number): CloseMeaning {
  switch (code) {
    case 1000:
    case 1001:
    case 1012:
      return 'restarting';
    case 1013:
      return 'busy';
    case 4000:
      return 'too-slow';
    case 1008:
      return 'forbidden';
    case 1002:
    case 1003:
    case 1007:
    case 1009:
      return 'protocol';
    default:
      return 'lost';
  }
}

/** The failures that a close counts as: more of them, a longer wait. */
export function failuresAfter(meaning: CloseMeaning, failures: number): number {
  switch (meaning) {
    case 'busy':
      return Math.max(failures + 1, 4);
    case 'protocol':
      return Math.max(failures + 1, 5);
    case 'restarting':
    case 'too-slow':
    case 'forbidden':
    case 'lost':
      return failures + 1;
  }
}
