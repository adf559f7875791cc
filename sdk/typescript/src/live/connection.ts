/**
 * One live socket at a time, and its way back after every loss.
 *
 *   connecting ──► live ──► waiting ──► connecting …      stopped: by the owner only
 *
 * It moves messages and decides when to try again; what they mean is state.ts. The clock,
 * the dice and the sockets come from outside, so that tests run it without waiting.
 */
import type { Form } from '../forms/form.ts';
import type { ClientMessage, ServerMessage, Subscribe } from '../messages.ts';
import { MalformedError } from '../reading.ts';
import { backoffMs, closeMeaning, failuresAfter, type Backoff, type CloseMeaning } from './backoff.ts';

/** No `subscribed` for this long, or no answer to a question of ours: a lost connection. */
const ANSWER_MAX_MS = 10_000;
/**
 * Browsers are not told why a handshake failed: the server may be gone, or full, or not take the
 * token. After so many in a row it is asked about the token apart from the socket.
 */
const SUSPECT_TOKEN_AFTER = 3;

export type Status =
  | { readonly state: 'connecting'; readonly again: boolean }
  | { readonly state: 'live'; readonly again: boolean; readonly resumed: boolean; readonly sinceMs: number }
  | { readonly state: 'waiting'; readonly untilMs: number; readonly why: CloseMeaning }
  | { readonly state: 'stopped' };

/** The part of a WebSocket that is used here. */
export interface Socket {
  binaryType: string;
  addEventListener(type: 'open' | 'error', listener: () => void): void;
  addEventListener(type: 'close', listener: (event: { readonly code: number; readonly reason: string }) => void): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  send(frame: string | Uint8Array<ArrayBuffer>): void;
  close(): void;
}

export interface Surroundings {
  open(protocols: string[]): Socket;
  nowMs(): number;
  random(): number;
  /** Returns what cancels it. */
  after(delayMs: number, run: () => void): () => void;
  /** Whether the server says that it does not take this token; false if it says nothing. */
  refuses(token: string): Promise<boolean>;
}

export interface Handlers {
  message(message: ServerMessage): void;
  status(status: Status): void;
  /** Subscribed: what is pending can be sent. Called after the `subscribed` message. */
  ready(): void;
  /** The server does not take this token (any more); the connection goes on without it. */
  tokenRefused(): void;
  /** What to ask for; on a connection that has just opened, or on one that is live. */
  subscription(fresh: boolean): Subscribe;
  /** A message that cannot be read: what is known may have a hole, and must not be resumed. */
  malformed(error: MalformedError): void;
}

export interface ConnectionOptions {
  readonly form: Form;
  readonly backoff: Backoff;
  /** After a silence of this long the server is asked whether it is there. */
  readonly silenceMs: number;
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #surroundings: Surroundings;
  readonly #handlers: Handlers;
  #token: string | null = null;
  #socket: Socket | null = null;
  #isOpen = false;
  #cancelTimer: () => void = () => {};
  #status: Status = { state: 'stopped' };
  #failures = 0;
  #refusedHandshakes = 0;
  #wasLive = false;
  #heardAtMs = 0;
  /** Whether the connection is given up unless something is heard in time. */
  #expecting = false;

  constructor(options: ConnectionOptions, surroundings: Surroundings, handlers: Handlers) {
    this.#options = options;
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
    // A change of player is not a loss to report.
    this.#wasLive = false;
    this.#connect();
  }

  stop(): void {
    this.#abandon();
    this.#enter({ state: 'stopped' });
  }

  /** Does not wait any longer: the network came back, or somebody asked. */
  retryNow(): void {
    if (this.#status.state === 'waiting') this.#connect();
  }

  /** False when there is no live connection to take it. */
  send(message: ClientMessage): boolean {
    if (this.#status.state !== 'live' || this.#socket === null) return false;
    this.#socket.send(this.#options.form.encode(message));
    return true;
  }

  /** Asks for something else, or again; false when there is no open connection to ask on. */
  subscribe(): boolean {
    if (!this.#isOpen || this.#socket === null) return false;
    this.#socket.send(this.#options.form.encode(this.#handlers.subscription(false)));
    return true;
  }

  #connect(): void {
    this.#abandon();
    const token = this.#token;
    this.#enter({ state: 'connecting', again: this.#wasLive });
    const { form } = this.#options;
    let socket: Socket;
    try {
      socket = this.#surroundings.open(token === null ? [form.protocol] : [form.protocol, `bearer.${token}`]);
    } catch (error) {
      // A token with characters that no subprotocol may have; anything else is the caller's.
      if (token === null) throw error;
      this.#dropToken();
      this.#wait('forbidden', 0);
      return;
    }
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    socket.addEventListener('open', () => {
      if (this.#socket !== socket) return;
      this.#isOpen = true;
      socket.send(form.encode(this.#handlers.subscription(true)));
    });
    socket.addEventListener('message', (event) => {
      if (this.#socket === socket) this.#receive(event.data);
    });
    socket.addEventListener('close', (event) => {
      if (this.#socket === socket) this.#closed(event.code, event.reason);
    });
    socket.addEventListener('error', () => {
      // A close event always follows, and says as much as this one would.
    });
    this.#expectWithin(ANSWER_MAX_MS);
  }

  #receive(data: unknown): void {
    let message: ServerMessage | null;
    try {
      message = this.#options.form.decode(typeof data === 'string' ? data : bytesOf(data));
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      this.#abandon();
      this.#handlers.malformed(error);
      this.#wait('protocol', 0);
      return;
    }
    this.#heardAtMs = this.#surroundings.nowMs();
    if (this.#expecting && this.#status.state === 'live') this.#listenFor(this.#options.silenceMs);
    if (message === null) return;
    this.#handlers.message(message);
    // A handler may have stopped the connection, or begun another one.
    if (message.type !== 'subscribed' || this.#status.state !== 'connecting') return;
    this.#failures = 0;
    this.#refusedHandshakes = 0;
    const again = this.#wasLive;
    this.#wasLive = true;
    this.#listenFor(this.#options.silenceMs);
    this.#enter({ state: 'live', again, resumed: message.resumed, sinceMs: this.#surroundings.nowMs() });
    this.#handlers.ready();
  }

  /** A cut that no one tells of shows as silence only, and browsers hide the server's pings. */
  #listenFor(delayMs: number): void {
    this.#expecting = false;
    this.#cancelTimer();
    this.#cancelTimer = this.#surroundings.after(delayMs, () => {
      const silentMs = this.#surroundings.nowMs() - this.#heardAtMs;
      if (silentMs < this.#options.silenceMs) {
        this.#listenFor(this.#options.silenceMs - silentMs);
        return;
      }
      this.subscribe();
      this.#expectWithin(ANSWER_MAX_MS);
    });
  }

  /** Gives the connection up unless something is heard on it in time. */
  #expectWithin(delayMs: number): void {
    this.#expecting = true;
    this.#cancelTimer();
    this.#cancelTimer = this.#surroundings.after(delayMs, () => {
      this.#abandon();
      this.#wait('lost', 0);
    });
  }

  #closed(code: number, reason: string): void {
    const meaning = closeMeaning(code);
    const opened = this.#isOpen;
    if (!opened) this.#refusedHandshakes += 1;
    this.#abandon();
    if (meaning === 'forbidden') this.#dropToken();
    this.#wait(meaning, retryHintMs(reason));
    if (!opened && this.#refusedHandshakes % SUSPECT_TOKEN_AFTER === 0) void this.#suspectToken();
  }

  async #suspectToken(): Promise<void> {
    const token = this.#token;
    if (token === null || !(await this.#surroundings.refuses(token))) return;
    // Meanwhile it may have been taken after all, or another one put in its place.
    if (this.#token !== token || this.#status.state === 'live' || this.#status.state === 'stopped') return;
    this.#dropToken();
    this.#connect();
  }

  #wait(why: CloseMeaning, askedMs: number): void {
    this.#failures = failuresAfter(why, this.#failures);
    const { nowMs, random } = this.#surroundings;
    const spread = 1 + random() / 2;
    const delayMs = Math.max(backoffMs(this.#options.backoff, this.#failures, random()), Math.round(askedMs * spread));
    this.#enter({ state: 'waiting', untilMs: nowMs() + delayMs, why });
    this.#cancelTimer();
    this.#cancelTimer = this.#surroundings.after(delayMs, () => this.#connect());
  }

  #dropToken(): void {
    if (this.#token === null) return;
    this.#token = null;
    this.#refusedHandshakes = 0;
    this.#handlers.tokenRefused();
  }

  #abandon(): void {
    this.#cancelTimer();
    this.#cancelTimer = () => {};
    const socket = this.#socket;
    this.#socket = null;
    this.#isOpen = false;
    socket?.close();
  }

  #enter(status: Status): void {
    this.#status = status;
    this.#handlers.status(status);
  }
}

/** A server that closes may say in the reason when to come again. */
export function retryHintMs(reason: string): number {
  const found = /\bretry_after_ms=(\d{1,7})\b/.exec(reason)?.[1];
  return found === undefined ? 0 : Number(found);
}

function bytesOf(data: unknown): Uint8Array {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  throw new MalformedError('a frame that is neither text nor bytes');
}
