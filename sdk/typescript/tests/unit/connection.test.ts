import { beforeEach, describe, expect, it } from 'vitest';
import { backoffMs, closeMeaning, failuresAfter, RECONNECT } from '../../src/live/backoff.ts';
import { Connection, retryHintMs, type Status } from '../../src/live/connection.ts';
import { json } from '../../src/index.ts';
import { delta, Stage, subscribed } from './support.ts';

/** Whoever owns a connection, with a clock that only the test moves. */
class Owner extends Stage {
  readonly statuses: Status[] = [];
  readonly messages: string[] = [];
  readyCount = 0;
  refusedCount = 0;
  malformedCount = 0;

  readonly connection = new Connection({ form: json, backoff: RECONNECT, silenceMs: 45_000 }, this, {
    message: (message) => this.messages.push(message.type),
    status: (status) => this.statuses.push(status),
    ready: () => (this.readyCount += 1),
    tokenRefused: () => (this.refusedCount += 1),
    subscription: (fresh) => ({ type: 'subscribe', ...(fresh ? { resume: 'ra' } : {}) }),
    malformed: () => (this.malformedCount += 1),
  });

  get status(): Status {
    return this.connection.status;
  }

  admit(resumed: boolean): void {
    this.socket.open();
    this.socket.say(subscribed({ resumed }));
  }

  /** A handshake that the server does not complete. */
  refuse(): void {
    this.socket.cut(1006);
  }

  /** How long it waits for the next connection, which is then begun. */
  waitOut(): number {
    if (this.status.state !== 'waiting') throw new Error(`not waiting but ${this.status.state}`);
    const delayMs = this.status.untilMs - this.nowMs();
    this.pass(delayMs);
    return delayMs;
  }
}

let owner: Owner;
beforeEach(() => {
  owner = new Owner();
});

describe('a connection', () => {
  it('subscribes as soon as the socket is open, and is live from the answer on', () => {
    owner.connection.start(null);
    expect(owner.socket.protocols).toEqual(['huntcore.v1.json']);
    expect(owner.socket.binaryType).toBe('arraybuffer');
    expect(owner.status.state).toBe('connecting');
    owner.admit(false);
    expect(owner.socket.sent).toEqual([{ type: 'subscribe', resume: 'ra' }]);
    expect(owner.status).toMatchObject({ state: 'live', again: false });
    expect(owner.readyCount).toBe(1);
  });

  it('shows the token as a subprotocol', () => {
    owner.connection.start('abc.def');
    expect(owner.socket.protocols).toEqual(['huntcore.v1.json', 'bearer.abc.def']);
  });

  it('takes claims only while it is live', () => {
    owner.connection.start(null);
    expect(owner.connection.send({ type: 'claim', id: '1', round: 1, tile: 1 })).toBe(false);
    owner.admit(false);
    expect(owner.connection.send({ type: 'claim', id: '1', round: 1, tile: 1 })).toBe(true);
  });

  it('comes back, and says whether it resumed', () => {
    owner.connection.start(null);
    owner.admit(false);
    owner.socket.cut(1001);
    expect(owner.status).toMatchObject({ state: 'waiting', why: 'restarting' });
    owner.waitOut();
    expect(owner.sockets).toHaveLength(2);
    owner.admit(true);
    expect(owner.status).toMatchObject({ state: 'live', again: true, resumed: true });
    expect(owner.readyCount).toBe(2);
  });

  it('waits longer after each failure, up to a limit', () => {
    owner.connection.start(null);
    const waits = Array.from({ length: 10 }, () => {
      owner.refuse();
      return owner.waitOut();
    });
    expect(waits).toEqual([300, 600, 1200, 2400, 4800, 9600, 15000, 15000, 15000, 15000]);
  });

  it('waits as long as the server asks, and a little longer, so that not all come at once', () => {
    owner.connection.start(null);
    owner.admit(false);
    owner.socket.cut(1001, 'server is stopping; retry_after_ms=2000');
    expect(owner.waitOut()).toBe(3_000);
  });

  it('does not wait for a server that never answers the handshake', () => {
    owner.connection.start(null);
    owner.socket.open();
    owner.pass(10_000);
    expect(owner.status).toMatchObject({ state: 'waiting', why: 'lost' });
    expect(owner.sockets[0]?.closed).toBe(true);
  });

  it('goes at once when asked to', () => {
    owner.connection.start(null);
    owner.refuse();
    owner.connection.retryNow();
    expect(owner.sockets).toHaveLength(2);
    owner.connection.retryNow();
    expect(owner.sockets).toHaveLength(2);
  });

  it('hears nothing more from a socket that it has left', () => {
    owner.connection.start(null);
    owner.admit(false);
    const old = owner.socket;
    owner.connection.start('t');
    old.say(delta({}));
    old.cut(1006);
    expect(owner.messages).toEqual(['subscribed']);
    expect(owner.status.state).toBe('connecting');
  });

  it('stops when told to', () => {
    owner.connection.start(null);
    owner.admit(false);
    owner.connection.stop();
    owner.pass(600_000);
    expect(owner.sockets).toHaveLength(1);
    expect(owner.status.state).toBe('stopped');
  });

  it('skips messages that it does not know', () => {
    owner.connection.start(null);
    owner.admit(false);
    owner.socket.frame('{"type":"news-of-a-later-version"}');
    expect(owner.messages).toEqual(['subscribed']);
    expect(owner.status.state).toBe('live');
  });

  it.each([['no json'], [new ArrayBuffer(3)], ['{"type":"delta"}'], [7]])(
    'is given up at a frame that is no message, which may have been a change: %j',
    (frame) => {
      owner.connection.start(null);
      owner.admit(false);
      owner.socket.frame(frame);
      expect(owner.sockets[0]?.closed).toBe(true);
      expect(owner.malformedCount).toBe(1);
      expect(owner.status).toMatchObject({ state: 'waiting', why: 'protocol' });
    },
  );
});

describe('a silence', () => {
  beforeEach(() => {
    owner.connection.start(null);
    owner.admit(false);
  });

  it('makes it ask whether the server is there, and an answer is enough', () => {
    owner.pass(45_000);
    expect(owner.socket.sent).toEqual([{ type: 'subscribe', resume: 'ra' }, { type: 'subscribe' }]);
    owner.socket.say(subscribed({ resumed: true }));
    owner.pass(44_999);
    expect(owner.status.state).toBe('live');
    expect(owner.readyCount).toBe(1);
    expect(owner.socket.sent).toHaveLength(2);
    owner.pass(1);
    expect(owner.socket.sent).toHaveLength(3);
  });

  it('ends the connection if there is no answer', () => {
    owner.pass(55_000);
    expect(owner.sockets[0]?.closed).toBe(true);
    expect(owner.status).toMatchObject({ state: 'waiting', why: 'lost' });
  });

  it('is none while anything is heard', () => {
    for (let index = 0; index < 10; index += 1) {
      owner.pass(44_000);
      owner.socket.say(delta({}));
    }
    expect(owner.socket.sent).toHaveLength(1);
  });
});

describe('a token', () => {
  it('is given up when the server closes with 1008', () => {
    owner.connection.start('t');
    owner.admit(false);
    owner.socket.cut(1008);
    expect(owner.refusedCount).toBe(1);
    owner.waitOut();
    expect(owner.socket.protocols).toEqual(['huntcore.v1.json']);
  });

  it('survives a server that is down, or full, for a long time', async () => {
    owner.connection.start('t');
    owner.admit(false);
    owner.socket.cut(1001);
    for (let index = 0; index < 12; index += 1) {
      owner.waitOut();
      owner.refuse();
      await owner.refuses('t');
    }
    owner.waitOut();
    expect(owner.socket.protocols).toEqual(['huntcore.v1.json', 'bearer.t']);
    owner.admit(true);
    expect(owner.refusedCount).toBe(0);
    expect(owner.status).toMatchObject({ state: 'live', again: true });
    expect(owner.readyCount).toBe(2);
  });

  it('is given up when handshakes are refused and the server says that the token is why', async () => {
    owner.refused.add('forged');
    owner.connection.start('forged');
    owner.refuse();
    owner.waitOut();
    owner.refuse();
    owner.waitOut();
    expect(owner.refusedCount).toBe(0);
    owner.refuse();
    await owner.refuses('forged');
    await Promise.resolve();
    expect(owner.refusedCount).toBe(1);
    expect(owner.status.state).toBe('connecting');
    expect(owner.socket.protocols).toEqual(['huntcore.v1.json']);
    owner.admit(false);
    expect(owner.status.state).toBe('live');
  });

  it('that has been replaced meanwhile is not what the server was asked about', async () => {
    owner.refused.add('forged');
    owner.connection.start('forged');
    for (let index = 0; index < 3; index += 1) {
      if (index > 0) owner.waitOut();
      owner.refuse();
    }
    owner.connection.start('good');
    await owner.refuses('forged');
    await Promise.resolve();
    expect(owner.refusedCount).toBe(0);
    expect(owner.socket.protocols).toEqual(['huntcore.v1.json', 'bearer.good']);
  });
});

describe('backoff', () => {
  it('draws half of the delay', () => {
    expect(backoffMs(RECONNECT, 3, 0)).toBe(600);
    expect(backoffMs(RECONNECT, 3, 1)).toBe(1200);
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

  it.each([
    ['server is stopping; retry_after_ms=250', 250],
    ['retry_after_ms=1500', 1_500],
    ['', 0],
    ['retry_after_ms=', 0],
    ['retry_after_ms=99999999999', 0],
  ])('reads in %j how long the server asks for', (reason, ms) => {
    expect(retryHintMs(reason)).toBe(ms);
  });
});
