/**
 * Attempts that have no answer yet, and which of them to send (again) now.
 *
 * An attempt is a (round, tile). Sending it twice is safe by the server's promise (I3: same
 * attempt, same answer), so whatever lacks a final answer is simply sent again: after a
 * reconnect, after a silence, and after a refusal that says nothing about the tile. Pure: the
 * caller brings the time and the dice.
 */
import type { Claim, Outcome } from '../messages.ts';
import { backoffMs } from './backoff.ts';

/** Without an answer on a live connection for this long: ask again. */
const ANSWER_WAIT_MS = 5_000;
const AGAIN = { firstMs: 400, maxMs: 8_000 };
/** Temporary refusals of one attempt before the caller is told of them. */
const TRIES_MAX = 8;
/** Attempts without an answer; more are refused at once. */
export const CLAIMS_PENDING_MAX = 4_096;

/** Nothing was decided, and the same attempt may still win. */
const TEMPORARY: readonly string[] = ['outcome-unknown', 'overloaded', 'not-yet-open'];

/** An attempt that will get no outcome. Making the same attempt again is safe. */
export class ClaimError extends Error {
  override readonly name = 'ClaimError';
  /** A problem's name, such as `unauthorized`; or `closed`, `player-changed`, `too-many-claims`. */
  readonly code: string;

  constructor(code: string, detail: string) {
    super(detail);
    this.code = code;
  }
}

interface Pending {
  readonly message: Claim;
  readonly answer: Promise<Outcome>;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
  tries: number;
  /** When to send it, if nothing has come until then. */
  dueAtMs: number;
}

export class Claims {
  readonly #pending = new Map<string, Pending>();

  get count(): number {
    return this.#pending.size;
  }

  /** When something is next to be sent; `null` if nothing is waiting. */
  get dueAtMs(): number | null {
    let earliest: number | null = null;
    for (const { dueAtMs } of this.#pending.values()) {
      if (earliest === null || dueAtMs < earliest) earliest = dueAtMs;
    }
    return earliest;
  }

  /** Adds an attempt that is due at once; one that is under way already is the same one. */
  begin(round: number, tile: number, answer: string | undefined, nowMs: number): { id: string; answer: Promise<Outcome> } {
    const id = `${round}.${tile}`;
    const known = this.#pending.get(id);
    if (known !== undefined) return { id, answer: known.answer };
    if (this.#pending.size >= CLAIMS_PENDING_MAX) {
      const error = new ClaimError('too-many-claims', `${CLAIMS_PENDING_MAX} attempts have no answer yet`);
      return { id, answer: Promise.reject(error) };
    }
    const { promise, resolve, reject } = withResolvers<Outcome>();
    const message: Claim = { type: 'claim', id, round, tile, ...(answer === undefined ? {} : { answer }) };
    this.#pending.set(id, { message, answer: promise, resolve, reject, tries: 0, dueAtMs: nowMs });
    return { id, answer: promise };
  }

  /** What must be sent now, oldest first; each is then due again when its answer does not come. */
  *take(nowMs: number): Iterable<Claim> {
    for (const pending of this.#pending.values()) {
      if (pending.dueAtMs > nowMs) continue;
      pending.tries += 1;
      pending.dueAtMs = nowMs + ANSWER_WAIT_MS;
      yield pending.message;
    }
  }

  /** A new connection knows nothing of what was asked on the old one: all is due at once. */
  reconnected(nowMs: number): void {
    for (const pending of this.#pending.values()) {
      pending.tries = 0;
      pending.dueAtMs = nowMs;
    }
  }

  answered(outcome: Outcome, nowMs: number, random: number): void {
    const pending = this.#pending.get(outcome.id);
    if (pending === undefined) return;
    if (TEMPORARY.includes(outcome.outcome) && pending.tries < TRIES_MAX) {
      pending.dueAtMs = nowMs + Math.max(outcome.retryAfterMs ?? 0, backoffMs(AGAIN, pending.tries, random));
      return;
    }
    this.#pending.delete(outcome.id);
    pending.resolve(outcome);
  }

  /** There will be no outcome. */
  fail(id: string, error: unknown): void {
    this.#pending.get(id)?.reject(error);
    this.#pending.delete(id);
  }

  failAll(error: ClaimError): void {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(error);
  }
}

function withResolvers<Value>(): {
  promise: Promise<Value>;
  resolve: (value: Value) => void;
  reject: (error: unknown) => void;
} {
  let resolve!: (value: Value) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<Value>((resolved, rejected) => {
    resolve = resolved;
    reject = rejected;
  });
  return { promise, resolve, reject };
}
