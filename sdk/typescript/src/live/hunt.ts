/**
 * One hunt, live: the state that its messages make, and attempts beside it.
 *
 * Joins the connection, the state, the attempts and the server's clock. Whoever uses it sees
 * one connection that never ends until `close`: it reconnects with backoff and jitter, resumes
 * where it was on whatever process answers, and sends unanswered attempts again.
 */
import type { Form } from '../forms/form.ts';
import { json } from '../forms/json.ts';
import type { BoardName, ErrorMessage, Interest, Outcome, ServerMessage, Subscribe } from '../messages.ts';
import { RECONNECT, type Backoff } from './backoff.ts';
import { ClaimError, Claims } from './claims.ts';
import { ServerClock } from './clock.ts';
import { Connection, type Socket, type Status, type Surroundings } from './connection.ts';
import { LiveState, showsSameClaims, type LiveView } from './state.ts';

const SILENCE_MS = 45_000;

/** What to hear of. */
export interface Subscription {
  readonly interest: Interest;
  /** The board on which to hear of one's own place; needs a token. */
  readonly ownRank: BoardName | null;
}

export interface LiveOptions extends Partial<Subscription> {
  /** A player's token; watching alone needs none. */
  readonly token?: string | null;
  /** `json`, or `proto`, which takes fewer bytes. */
  readonly form?: Form;
  /** Where the runtime has no `WebSocket` of its own, as Node before 22: that of the package `ws`. */
  readonly webSocket?: SocketMaker;
  readonly backoff?: Backoff;
  /** After a silence of this long the server is asked whether it is there. */
  readonly silenceMs?: number;
  /** False: connects only once `connect` is called. */
  readonly connect?: boolean;
  /** The clock, the dice, the timers and the network, for tests. */
  readonly surroundings?: Surroundings;
}

/** A class with the constructor of the web's `WebSocket`. */
export type SocketMaker = new (url: string, protocols: string[]) => unknown;

/** What happens on a live connection. */
export type LiveEvent =
  /** Any message; the state has taken it in already. */
  | { readonly type: 'message'; readonly message: ServerMessage }
  | { readonly type: 'status'; readonly status: Status }
  /** The server does not take the token (any more); the connection goes on without it. */
  | { readonly type: 'token-refused' }
  /** The server does not give what was asked for; what held before goes on. */
  | { readonly type: 'subscription-refused'; readonly error: SubscriptionError };

/** The server does not give what was asked for. */
export class SubscriptionError extends Error {
  override readonly name = 'SubscriptionError';
  /** A problem's name, such as `unknown-cell`; or `closed`. */
  readonly code: string;

  constructor(code: string, detail: string) {
    super(detail);
    this.code = code;
  }
}

export interface ClaimOptions {
  /** The answer to the tile's puzzle, if it has one. */
  readonly answer?: string;
  /** Gives up the attempt, for all who wait for it; it may be decided all the same. */
  readonly signal?: AbortSignal;
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: SubscriptionError) => void;
}

const EVERYTHING: Subscription = { interest: 'everything', ownRank: null };

export class LiveHunt {
  readonly #surroundings: Surroundings;
  readonly #connection: Connection;
  readonly #state = new LiveState();
  readonly #claims = new Claims();
  readonly #clock = new ServerClock();
  readonly #listeners = new Set<(event: LiveEvent) => void>();
  readonly #closing = new Set<() => void>();
  #token: string | null;
  #wanted: Subscription;
  /** What the state shows, or would: the last one that the server granted. */
  #granted: Subscription = EVERYTHING;
  /** Asked for on this connection and not answered yet, oldest first. */
  #asked: Subscription[] = [];
  #waiting: Waiting[] = [];
  #cancelTimer: () => void = () => {};
  #closed = false;

  /** Prefer `HuntcoreClient.live`. */
  constructor(url: string, options: LiveOptions = {}) {
    this.#token = options.token ?? null;
    this.#wanted = { interest: options.interest ?? 'everything', ownRank: options.ownRank ?? null };
    this.#surroundings = options.surroundings ?? machine(url, options.webSocket);
    this.#connection = new Connection(
      {
        form: options.form ?? json,
        backoff: options.backoff ?? RECONNECT,
        silenceMs: options.silenceMs ?? SILENCE_MS,
      },
      this.#surroundings,
      {
        message: (message) => this.#receive(message),
        status: (status) => this.#emit({ type: 'status', status }),
        ready: () => {
          this.#claims.reconnected(this.#surroundings.nowMs());
          this.#pump();
        },
        tokenRefused: () => {
          this.#token = null;
          this.#emit({ type: 'token-refused' });
        },
        subscription: (fresh) => this.#subscription(fresh),
        malformed: () => {
          this.#state.resume = null;
        },
      },
    );
    if (options.connect !== false) this.connect();
  }

  get state(): LiveView {
    return this.#state;
  }

  get status(): Status {
    return this.#connection.status;
  }

  /** The server's clock as seen from here. */
  serverTimeMs(): number {
    return this.#clock.serverTimeMs(this.#surroundings.nowMs());
  }

  /** Begins; does nothing on a connection that was begun. */
  connect(): void {
    if (!this.#closed && this.status.state === 'stopped') this.#connection.start(this.#token);
  }

  /** Goes on as another player, or as nobody. Attempts without an answer fail. */
  become(token: string | null): void {
    if (this.#closed) return;
    this.#claims.failAll(new ClaimError('player-changed', 'the attempt was another player’s'));
    this.#token = token;
    this.#connection.start(token);
  }

  /** Does not wait any longer for the next connection: the network came back, or somebody asked. */
  retryNow(): void {
    this.#connection.retryNow();
  }

  /** Ends it for good; whatever still waits fails. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelTimer();
    this.#connection.stop();
    this.#claims.failAll(new ClaimError('closed', 'the connection was closed'));
    this.#settle((waiting) => waiting.reject(new SubscriptionError('closed', 'the connection was closed')));
    for (const end of this.#closing) end();
    this.#listeners.clear();
  }

  /** Returns what stops the listening. */
  listen(listener: (event: LiveEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Waits until `look` finds something in the state, which it is given now and after every
   * message; resolves to what it found. Fails when the connection is closed.
   */
  until<Found>(
    look: (state: LiveView) => Found | null | undefined | false,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<Found> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const end = (): void => {
        stop();
        this.#closing.delete(closed);
        signal?.removeEventListener('abort', aborted);
      };
      const closed = (): void => {
        end();
        reject(new Error('the connection was closed'));
      };
      const aborted = (): void => {
        end();
        reject(signal?.reason);
      };
      const check = (): void => {
        try {
          const found = look(this.#state);
          if (found === null || found === undefined || found === false) return;
          end();
          resolve(found);
        } catch (error) {
          end();
          reject(error);
        }
      };
      const stop = this.listen(({ type }) => {
        if (type === 'message') check();
      });
      this.#closing.add(closed);
      signal?.addEventListener('abort', aborted);
      if (this.#closed) closed();
      else check();
    });
  }

  /**
   * Changes what is heard of; what is left out stays as it is. Resolves when the server has
   * granted it; if it refuses, what held before goes on, and this fails with the reason.
   */
  subscribe(change: Partial<Subscription>): Promise<void> {
    if (this.#closed) return Promise.reject(new SubscriptionError('closed', 'the connection was closed'));
    this.#wanted = { ...this.#wanted, ...change };
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      // While there is no open connection, the next one's first subscription asks for it.
      this.#connection.subscribe();
    });
  }

  /**
   * Makes an attempt and waits for its outcome, across lost connections too.
   *
   * Every outcome is a result, won or not. An attempt is sent again while the server says that
   * nothing was decided yet. Fails with a `ClaimError` when there will be no outcome.
   */
  claim(round: number, tile: number, { answer, signal }: ClaimOptions = {}): Promise<Outcome> {
    if (this.#closed) return Promise.reject(new ClaimError('closed', 'the connection was closed'));
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const { id, answer: outcome } = this.#claims.begin(round, tile, answer, this.#surroundings.nowMs());
    const aborted = (): void => this.#claims.fail(id, signal?.reason);
    signal?.addEventListener('abort', aborted);
    this.#pump();
    return outcome.finally(() => signal?.removeEventListener('abort', aborted));
  }

  #subscription(fresh: boolean): Subscribe {
    if (fresh) this.#asked = [];
    this.#asked.push(this.#wanted);
    const { interest, ownRank } = this.#wanted;
    const { resume } = this.#state;
    const canResume = fresh && resume !== null && showsSameClaims(interest, this.#granted.interest);
    return {
      type: 'subscribe',
      ...(canResume ? { resume } : {}),
      interest,
      ...(ownRank === null || this.#token === null ? {} : { ownRank }),
    };
  }

  #receive(message: ServerMessage): void {
    const nowMs = this.#surroundings.nowMs();
    this.#clock.observe(message.serverTimeMs, nowMs);
    this.#state.apply(message);
    if (message.type === 'outcome') {
      this.#claims.answered(message, nowMs, this.#surroundings.random());
      this.#pump();
    } else if (message.type === 'error') {
      this.#refused(message);
    } else if (message.type === 'subscribed') {
      this.#granted = this.#asked.shift() ?? this.#granted;
      if (this.#granted === this.#wanted) this.#settle((waiting) => waiting.resolve());
    }
    this.#emit({ type: 'message', message });
  }

  #refused({ id, code, detail }: ErrorMessage): void {
    if (id !== null) {
      this.#claims.fail(id, new ClaimError(code, detail));
      return;
    }
    const refused = this.#asked.shift();
    // Of several, the answer to the last one counts.
    if (refused === undefined || refused !== this.#wanted) return;
    const error = new SubscriptionError(code, detail);
    this.#wanted = this.#granted;
    this.#settle((waiting) => waiting.reject(error));
    this.#emit({ type: 'subscription-refused', error });
    // Nothing is sent before a subscription is granted; what held before always is.
    if (this.status.state === 'connecting' && refused !== this.#granted) this.#connection.subscribe();
  }

  /** Sends whatever is due, and comes back when more will be. */
  #pump(): void {
    this.#cancelTimer();
    if (this.status.state !== 'live') return;
    const nowMs = this.#surroundings.nowMs();
    for (const claim of this.#claims.take(nowMs)) this.#connection.send(claim);
    const { dueAtMs } = this.#claims;
    if (dueAtMs === null) return;
    this.#cancelTimer = this.#surroundings.after(Math.max(0, dueAtMs - nowMs), () => this.#pump());
  }

  #settle(how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    waiting.forEach(how);
  }

  #emit(event: LiveEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

/** The runtime's own clock, dice, timers and network. */
function machine(url: string, webSocket: SocketMaker | undefined): Surroundings {
  const Maker = webSocket ?? (globalThis.WebSocket as SocketMaker | undefined);
  if (Maker === undefined) {
    throw new TypeError('this runtime has no WebSocket: give the option `webSocket`, such as that of the package ws');
  }
  return {
    open: (protocols) => new Maker(url, protocols) as Socket,
    nowMs: () => Date.now(),
    random: () => Math.random(),
    after: (delayMs, run) => {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
    async refuses(token) {
      // The player's own route judges the token first; this is no attempt that it could decide.
      const claims = url.replace(/^ws/, 'http').replace(/\/live$/, '/claims');
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      try {
        const { status } = await fetch(claims, { method: 'POST', headers, body: '{}' });
        return status === 401 || status === 403;
      } catch {
        return false;
      }
    },
  };
}
