import { beforeEach, describe, expect, it } from 'vitest';
import { backoffMs, closeMeaning, failuresAfter } from '../../src/lib/live/backoff';
import { Connection, type Socket, type Status } from '../../src/lib/live/connection';

/** A socket that does what the test says. */
class FakeSocket implements Socket {
  readonly sent: Record<string, unknown>[] = [];
  closed = false;
  readonly #listeners: Record<string, ((event: never) => void)[]> = {};

  constructor(readonly protocols: readonly string[]) {}

  addEventListener(type: string, listener: (event: never) => void): void {
    (this.#listeners[type] ??= []).push(listener);
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }

  close(): void {
    this.closed = true;
  }

  fire(type: string, event: unknown = {}): void {
    for (const listener of this.#listeners[type] ?? []) listener(event as never);
  }

  say(message: Record<string, unknown>): void {
    this.fire('message', { data: JSON.stringify(message) });
  }
}

/** A page around a connection, with a clock that only the test moves. */
class Page {
  nowMs = 0;
  readonly sockets: FakeSocket[] = [];
  readonly statuses: Status[] = [];
  readonly messages: string[] = [];
  readyCount = 0;
  refusedCount = 0;
  resume: string | null = null;
  #timers: { atMs: number; run: () => void }[] = [];

  readonly connection = new Connection(
    {
      open: (protocols) => {
        const socket = new FakeSocket(protocols);
        this.sockets.push(socket);
        return socket;
      },
      nowMs: () => this.nowMs,
      random: () => 1,
      after: (delayMs, run) => {
        const timer = { atMs: this.nowMs + delayMs, run };
        this.#timers.push(timer);
        return () => (this.#timers = this.#timers.filter((other) => other !== timer));
      },
    },
    {
      message: (message) => this.messages.push(message.type),
      status: (status) => this.statuses.push(status),
      ready: () => (this.readyCount += 1),
      tokenRefused: () => (this.refusedCount += 1),
      resume: () => this.resume,
    },
  );

  get socket(): FakeSocket {
    return this.sockets.at(-1) as FakeSocket;
  }

  get status(): Status {
    return this.connection.status;
  }

  pass(ms: number): void {
    this.nowMs += ms;
    for (const timer of this.#timers.filter(({ atMs }) => atMs <= this.nowMs)) {
      this.#timers = this.#timers.filter((other) => other !== timer);
      timer.run();
    }
  }

  subscribe(resumed: boolean): void {
    this.socket.fire('open');
    this.socket.say({ type: 'subscribed', hunt: 'park', resumed, tick: 1, resume: 'r1', tick_ms: 100 });
  }

  /** A handshake that the server does not complete. */
  refuse(): void {
    this.socket.fire('close', { code: 1006 });
  }

  waitOut(): void {
    if (this.status.state !== 'waiting') throw new Error(`not waiting but ${this.status.state}`);
    this.pass(this.status.untilMs - this.nowMs);
  }
}

let page: Page;
beforeEach(() => {
  page = new Page();
});

describe('a connection', () => {
  it('subscribes as soon as the socket is open, and is live from the answer on', () => {
    page.connection.start(null);
    expect(page.socket.protocols).toEqual(['huntcore.v1.json']);
    expect(page.status.state).toBe('connecting');
    page.subscribe(false);
    expect(page.socket.sent).toEqual([{ type: 'subscribe' }]);
    expect(page.status).toMatchObject({ state: 'live', again: false });
    expect(page.readyCount).toBe(1);
  });

  it('shows the token as a subprotocol', () => {
    page.connection.start('abc.def');
    expect(page.socket.protocols).toEqual(['huntcore.v1.json', 'bearer.abc.def']);
  });

  it('takes claims only while it is live', () => {
    page.connection.start(null);
    expect(page.connection.send({ type: 'claim', id: '1', round: 1, tile: 1 })).toBe(false);
    page.subscribe(false);
    expect(page.connection.send({ type: 'claim', id: '1', round: 1, tile: 1 })).toBe(true);
  });

  it('comes back with the last resume, and says that it resumed', () => {
    page.connection.start(null);
    page.subscribe(false);
    page.resume = 'r7';
    page.socket.fire('close', { code: 1001 });
    expect(page.status).toMatchObject({ state: 'waiting', why: 'restarting' });
    page.waitOut();
    expect(page.sockets).toHaveLength(2);
    page.subscribe(true);
    expect(page.socket.sent).toEqual([{ type: 'subscribe', resume: 'r7' }]);
    expect(page.status).toMatchObject({ state: 'live', again: true, resumed: true });
    expect(page.readyCount).toBe(2);
  });

  it('waits longer after each failure, up to a limit', () => {
    page.connection.start(null);
    const waits: number[] = [];
    for (let index = 0; index < 10; index += 1) {
      page.refuse();
      if (page.status.state === 'waiting') waits.push(page.status.untilMs - page.nowMs);
      page.waitOut();
    }
    expect(waits).toEqual([300, 600, 1200, 2400, 4800, 9600, 15000, 15000, 15000, 15000]);
  });

  it('does not wait for a server that never answers the handshake', () => {
    page.connection.start(null);
    page.socket.fire('open');
    page.pass(10_000);
    expect(page.status).toMatchObject({ state: 'waiting', why: 'lost' });
    expect(page.sockets[0]?.closed).toBe(true);
  });

  it('goes at once when asked to', () => {
    page.connection.start(null);
    page.refuse();
    page.connection.retryNow();
    expect(page.sockets).toHaveLength(2);
    page.pass(60_000);
    expect(page.status.state).not.toBe('live');
  });

  it('hears nothing more from a socket that it has left', () => {
    page.connection.start(null);
    page.subscribe(false);
    const old = page.socket;
    page.connection.restart();
    old.say({ type: 'delta', tick: 1, resume: 'x', claims: [] });
    old.fire('close', { code: 1006 });
    expect(page.messages).toEqual(['subscribed']);
    expect(page.status.state).toBe('connecting');
  });

  it('stops when told to', () => {
    page.connection.start(null);
    page.subscribe(false);
    page.connection.stop();
    page.pass(60_000);
    expect(page.sockets).toHaveLength(1);
    expect(page.status.state).toBe('stopped');
  });

  it('skips what it cannot read', () => {
    page.connection.start(null);
    page.subscribe(false);
    page.socket.fire('message', { data: 'no json' });
    page.socket.fire('message', { data: new ArrayBuffer(3) });
    page.socket.say({ type: 'news-of-a-later-version' });
    page.socket.say({ type: 'round', round: 'one' });
    expect(page.messages).toEqual(['subscribed']);
    expect(page.status.state).toBe('live');
  });
});

describe('a token', () => {
  it('is given up when the server closes with 1008', () => {
    page.connection.start('t');
    page.subscribe(false);
    page.socket.fire('close', { code: 1008 });
    expect(page.refusedCount).toBe(1);
    page.waitOut();
    expect(page.socket.protocols).toEqual(['huntcore.v1.json']);
  });

  it('survives a server that is down for a long time', () => {
    page.connection.start('t');
    page.subscribe(false);
    page.socket.fire('close', { code: 1001 });
    for (let index = 0; index < 12; index += 1) {
      page.waitOut();
      page.refuse();
    }
    page.waitOut();
    // The server is back; whoever was let in without the token is let in with it too.
    if (page.socket.protocols.length === 1) page.subscribe(true);
    expect(page.socket.protocols).toEqual(['huntcore.v1.json', 'bearer.t']);
    page.subscribe(true);
    expect(page.refusedCount).toBe(0);
    expect(page.status).toMatchObject({ state: 'live', again: true });
    expect(page.readyCount).toBe(2);
  });

  it('is given up when only those without it are let in', () => {
    page.connection.start('forged');
    for (let index = 0; index < 3; index += 1) {
      page.refuse();
      page.waitOut();
    }
    expect(page.socket.protocols).toEqual(['huntcore.v1.json']);
    page.subscribe(false);
    expect(page.socket.protocols).toEqual(['huntcore.v1.json', 'bearer.forged']);
    page.refuse();
    expect(page.refusedCount).toBe(1);
    page.waitOut();
    page.subscribe(false);
    expect(page.socket.protocols).toEqual(['huntcore.v1.json']);
    expect(page.status.state).toBe('live');
  });
});

describe('backoff', () => {
  it('draws half of the delay', () => {
    expect(backoffMs(3, 0)).toBe(600);
    expect(backoffMs(3, 1)).toBe(1200);
  });

  it.each([
    [1000, 'restarting'],
    [1001, 'restarting'],
    [1002, 'protocol'],
    [1003, 'protocol'],
    [1006, 'lost'],
    [1007, 'protocol'],
    [1008, 'forbidden'],
    [1009, 'protocol'],
    [1011, 'lost'],
    [1013, 'busy'],
    [4000, 'too-slow'],
  ])('close code %i means %s', (code, meaning) => {
    expect(closeMeaning(code)).toBe(meaning);
  });

  it('is patient with a busy server, and with a fault of its own', () => {
    expect(failuresAfter('busy', 0)).toBe(4);
    expect(failuresAfter('protocol', 0)).toBe(5);
    expect(failuresAfter('lost', 0)).toBe(1);
  });
});
