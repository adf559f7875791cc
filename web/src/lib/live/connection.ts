/**
 * One live socket at a time, and its way back after every loss.
 *
 *   connecting ──► live ──► waiting ──► connecting …      stopped: by the page only
 *
 * It moves messages and decides when to try again; what they mean is state.ts. The clock,
 * the dice and the sockets come from outside, so that tests run it without waiting.
 */
import {
  decodeMessage,
  SUBPROTOCOL,
  type ClientMessage,
  type ServerMessage,
} from '../protocol/messages';
import { backoffMs, closeMeaning, failuresAfter, type CloseMeaning } from './backoff';

/** No `subscribed` for this long counts as a lost connection. */
const HANDSHAKE_MAX_MS = 10_000;
/** Handshakes refused in a row before the token itself comes under suspicion. */
const SUSPECT_TOKEN_AFTER = 3;

/**
 * A page is not told why a handshake failed. So a token is only given up when the server
 * takes a connection without it, and right afterwards refuses one with it.
 */
type Suspicion = 'none' | 'trying-without' | 'trying-with-again';

export type Status =
  | { readonly state: 'connecting'; readonly again: boolean }
  | { readonly state: 'live'; readonly again: boolean; readonly resumed: boolean; readonly sinceMs: number }
  | { readonly state: 'waiting'; readonly untilMs: number; readonly why: CloseMeaning }
  | { readonly state: 'stopped' };

/** The part of a WebSocket that is used here. */
export interface Socket {
  addEventListener(type: 'open' | 'error', listener: () => void): void;
  addEventListener(type: 'close', listener: (event: { code: number }) => void): void;
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void;
  send(text: string): void;
  close(code?: number): void;
}

export interface Surroundings {
  open(protocols: string[]): Socket;
  nowMs(): number;
  random(): number;
  /** Returns what cancels it. */
  after(delayMs: number, run: () => void): () => void;
}

export interface Handlers {
  message(message: ServerMessage, serverTimeMs: number | null): void;
  status(status: Status): void;
  /** Subscribed: what is pending can be sent. Called after the `subscribed` message. */
  ready(): void;
  /** The server does not take this token (any more); the connection goes on without it. */
  tokenRefused(): void;
  resume(): string | null;
}

export class Connection {
  readonly #surroundings: Surroundings;
  readonly #handlers: Handlers;
  #token: string | null = null;
  #socket: Socket | null = null;
  #cancelTimer: () => void = () => {};
  #status: Status = { state: 'stopped' };
  #failures = 0;
  #refusedHandshakes = 0;
  #wasLive = false;
  #suspicion: Suspicion = 'none';

  constructor(surroundings: Surroundings, handlers: Handlers) {
    this.#surroundings = surroundings;
    this.#handlers = handlers;
  }

  get status(): Status {
    return this.#status;
  }

  start(token: string | null): void {
    this.#token = token;
    this.#failures = 0;
    this.#refusedHandshakes = 0;
    // A change of player is not a loss that the page should report.
    this.#wasLive = false;
    this.#suspicion = 'none';
    this.#connect();
  }

  stop(): void {
    this.#abandon();
    this.#enter({ state: 'stopped' });
  }

  /** Does not wait any longer: the network came back, or the player asked. */
  retryNow(): void {
    if (this.#status.state === 'waiting') this.#connect();
  }

  /** Gives up a connection that looks dead and opens another. */
  restart(): void {
    if (this.#status.state !== 'stopped') this.#connect();
  }

  /** False when there is no live connection to take it. */
  send(message: ClientMessage): boolean {
    if (this.#status.state !== 'live' || this.#socket === null) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #connect(): void {
    this.#abandon();
    if (this.#suspicion === 'none' && this.#token !== null && this.#refusedHandshakes >= SUSPECT_TOKEN_AFTER) {
      this.#suspicion = 'trying-without';
    }
    const token = this.#suspicion === 'trying-without' ? null : this.#token;
    this.#enter({ state: 'connecting', again: this.#wasLive });
    let socket: Socket;
    try {
      socket = this.#surroundings.open(token === null ? [SUBPROTOCOL] : [SUBPROTOCOL, `bearer.${token}`]);
    } catch {
      // A token with characters that no subprotocol may have.
      this.#dropToken();
      this.#wait('forbidden');
      return;
    }
    this.#socket = socket;
    let opened = false;
    socket.addEventListener('open', () => {
      if (this.#socket !== socket) return;
      opened = true;
      const resume = this.#handlers.resume();
      socket.send(JSON.stringify({ type: 'subscribe', ...(resume === null ? {} : { resume }) }));
    });
    socket.addEventListener('message', (event) => {
      if (this.#socket === socket) this.#receive(event.data);
    });
    socket.addEventListener('close', (event) => {
      if (this.#socket === socket) this.#closed(event.code, opened);
    });
    socket.addEventListener('error', () => {
      // A close event always follows, and says as much as this one would.
    });
    this.#cancelTimer = this.#surroundings.after(HANDSHAKE_MAX_MS, () => {
      if (this.#socket !== socket) return;
      this.#abandon();
      this.#wait('lost');
    });
  }

  #receive(data: unknown): void {
    const decoded = typeof data === 'string' ? decodeMessage(data) : null;
    if (decoded === null) return;
    const { message, serverTimeMs } = decoded;
    if (message.type === 'subscribed' && this.#suspicion === 'trying-without') {
      this.#suspicion = 'trying-with-again';
      this.#connect();
      return;
    }
    this.#handlers.message(message, serverTimeMs);
    if (message.type !== 'subscribed') return;
    this.#cancelTimer();
    this.#failures = 0;
    this.#refusedHandshakes = 0;
    this.#suspicion = 'none';
    const again = this.#wasLive;
    this.#wasLive = true;
    this.#enter({ state: 'live', again, resumed: message.resumed, sinceMs: this.#surroundings.nowMs() });
    this.#handlers.ready();
  }

  #closed(code: number, opened: boolean): void {
    const meaning = closeMeaning(code);
    if (!opened) this.#refusedHandshakes += 1;
    this.#abandon();
    if (meaning === 'forbidden' || (!opened && this.#suspicion === 'trying-with-again')) this.#dropToken();
    else if (this.#suspicion === 'trying-with-again') this.#suspicion = 'none';
    this.#wait(meaning);
  }

  #wait(why: CloseMeaning): void {
    this.#failures = failuresAfter(why, this.#failures);
    const delayMs = backoffMs(this.#failures, this.#surroundings.random());
    this.#enter({ state: 'waiting', untilMs: this.#surroundings.nowMs() + delayMs, why });
    this.#cancelTimer = this.#surroundings.after(delayMs, () => this.#connect());
  }

  #dropToken(): void {
    if (this.#token === null) return;
    this.#token = null;
    this.#suspicion = 'none';
    this.#refusedHandshakes = 0;
    this.#handlers.tokenRefused();
  }

  #abandon(): void {
    this.#cancelTimer();
    this.#cancelTimer = () => {};
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #enter(status: Status): void {
    this.#status = status;
    this.#handlers.status(status);
  }
}
