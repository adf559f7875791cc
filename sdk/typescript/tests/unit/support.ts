/** Messages to make others from, and what serves a connection without a network. */
import type { Board, Correction, Delta, Outcome, RoundInfo, ServerMessage, Snapshot, Subscribed } from '../../src/index.ts';
import type { Socket, Surroundings } from '../../src/index.ts';

export const HASH = 'ab'.repeat(32);
export const NOW_MS = Date.parse('2026-11-22T10:00:00.500Z');

export function info(round: number): RoundInfo {
  return {
    round, configVersion: 1, map: HASH, commitment: HASH, layout: HASH, tiles: 16,
    opensAtMs: round * 1_000, closesAtMs: round * 1_000 + 10_000,
  };
}

export function opened(round: number): ServerMessage {
  return { type: 'round', serverTimeMs: NOW_MS, hunt: 'park', ...info(round) };
}

export function delta(part: Partial<Delta>): Delta {
  return {
    type: 'delta', serverTimeMs: NOW_MS, tick: 1, fromTick: null, resume: 'ra', oldest: 0, claims: [], closed: [],
    seeds: [], state: null, corrections: [], boards: null, ...part,
  };
}

export function snapshot(part: Partial<Snapshot>): Snapshot {
  return {
    type: 'snapshot', serverTimeMs: NOW_MS, tick: 1, resume: 'sa', hunt: 'park', state: 'running', oldest: 0,
    rounds: [], board: null, corrections: [], boards: null, ...part,
  };
}

export function subscribed(part: Partial<Subscribed> = {}): Subscribed {
  return {
    type: 'subscribed', serverTimeMs: NOW_MS, hunt: 'park', player: null, resumed: false, tick: 1, resume: 'ra',
    tickMs: 100, interest: 'everything', ownRank: null, ...part,
  };
}

export function outcome(id: string, name: string, part: Partial<Outcome> = {}): Outcome {
  const [round = 0, tile = 0] = id.split('.').map(Number);
  return {
    type: 'outcome', serverTimeMs: NOW_MS, id, outcome: name, round, tile, points: null, position: null,
    winnerPosition: null, retryAfterMs: null, detail: null, ...part,
  };
}

export function correction(part: Partial<Correction> = {}): Correction {
  return {
    kind: 'disqualified', round: null, tile: null, points: null, player: 'ada', reason: 'a script', correctedAtMs: NOW_MS,
    position: 'pc', ...part,
  };
}

export function board(name: Board['board'], score: number): Board {
  return {
    board: name, generation: 0, window: { startMs: null, endMs: null, final: false }, position: 'pa', players: 1,
    entries: [{ rank: 1, player: 'ada', score }],
  };
}

/** The same message as a server writes it in JSON. */
export function written(message: ServerMessage): Record<string, unknown> {
  const { serverTimeMs, ...body } = message;
  return { server_time: new Date(serverTimeMs).toISOString(), ...(spelled(body) as object) };
}

const TIMES: Readonly<Record<string, string>> = {
  opensAtMs: 'opens_at', closesAtMs: 'closes_at', startMs: 'start', endMs: 'end', correctedAtMs: 'corrected_at',
};
/** Members that stand there as `null` and are not left out. */
const KEPT: readonly string[] = ['player', 'start', 'end'];

function spelled(value: unknown, parent = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => spelled(item, parent));
  if (typeof value !== 'object' || value === null) return value;
  const found: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    const time = TIMES[key];
    const name = time ?? key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (key === 'position' && 'outcome' in value) {
      if (item !== null) found['receipt'] = { position: item };
    } else if (key === 'interest' && item === 'everything') continue;
    else if (item === null && !(KEPT.includes(name) && parent !== '')) continue;
    else found[name] = time !== undefined && item !== null ? new Date(item as number).toISOString() : spelled(item, key);
  }
  return found;
}

/** A socket that does what the test says. */
export class FakeSocket implements Socket {
  binaryType = 'blob';
  readonly sent: Record<string, unknown>[] = [];
  readonly protocols: readonly string[];
  closed = false;
  readonly #listeners: Record<string, ((event: never) => void)[]> = {};

  constructor(protocols: readonly string[]) {
    this.protocols = protocols;
  }

  addEventListener(type: string, listener: (event: never) => void): void {
    (this.#listeners[type] ??= []).push(listener);
  }

  send(frame: string | Uint8Array): void {
    if (typeof frame !== 'string') throw new TypeError('the fake speaks JSON');
    this.sent.push(JSON.parse(frame) as Record<string, unknown>);
  }

  close(): void {
    this.closed = true;
  }

  open(): void {
    this.fire('open', {});
  }

  cut(code: number, reason = ''): void {
    this.fire('close', { code, reason });
  }

  say(message: ServerMessage): void {
    this.frame(JSON.stringify(written(message)));
  }

  frame(data: unknown): void {
    this.fire('message', { data });
  }

  private fire(type: string, event: unknown): void {
    for (const listener of this.#listeners[type] ?? []) listener(event as never);
  }
}

/** A clock that only the test moves, dice that always show the most, sockets that wait. */
export class Stage implements Surroundings {
  readonly sockets: FakeSocket[] = [];
  #nowMs = 0;
  #timers: { atMs: number; run: () => void }[] = [];

  readonly open = (protocols: string[]): Socket => {
    const socket = new FakeSocket(protocols);
    this.sockets.push(socket);
    return socket;
  };
  readonly nowMs = (): number => this.#nowMs;
  readonly random = (): number => 1;
  readonly after = (delayMs: number, run: () => void): (() => void) => {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.push(timer);
    return () => (this.#timers = this.#timers.filter((other) => other !== timer));
  };

  /** Tokens that the server says it does not take. */
  readonly refused = new Set<string>();
  readonly refuses = async (token: string): Promise<boolean> => this.refused.has(token);

  get socket(): FakeSocket {
    return this.sockets.at(-1) as FakeSocket;
  }

  pass(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const [next] = this.#timers.filter(({ atMs }) => atMs <= untilMs).sort((one, other) => one.atMs - other.atMs);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
    }
    this.#nowMs = untilMs;
  }
}
