import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CLAIMS_PENDING_MAX, ClaimError, LiveHunt, SubscriptionError, type LiveEvent, type LiveOptions } from '../../src/index.ts';
import { delta, NOW_MS, opened, outcome, snapshot, Stage, subscribed } from './support.ts';

let stage: Stage;
let live: LiveHunt;
let events: LiveEvent[];
beforeEach(() => {
  stage = new Stage();
});

function begin(options: LiveOptions = {}): void {
  live = new LiveHunt('ws://hunt.example/v1/hunts/park/live', { ...options, surroundings: stage });
  events = [];
  live.listen((event) => events.push(event));
}

/** The socket opens, and the server grants what is asked for. */
function admit(part: Parameters<typeof subscribed>[0] = {}): void {
  stage.socket.open();
  stage.socket.say(subscribed(part));
}

/** Until the next connection is begun. */
function waitOut(): void {
  if (live.status.state !== 'waiting') throw new Error(`not waiting but ${live.status.state}`);
  stage.pass(live.status.untilMs - stage.nowMs());
}

/** Begins again after a loss. */
function lose(part: Parameters<typeof subscribed>[0] = {}): void {
  stage.socket.cut(1006);
  waitOut();
  admit(part);
}

const claims = (): unknown[] => stage.socket.sent.filter(({ type }) => type === 'claim').map(({ id }) => id);
const subscriptions = (): unknown[] => stage.socket.sent.filter(({ type }) => type === 'subscribe');
const refusal = (code: string) => ({ type: 'error', serverTimeMs: NOW_MS, id: null, code, detail: 'no' }) as const;

describe('an attempt', () => {
  beforeEach(() => {
    begin({ token: 't' });
    admit({ player: 'ada' });
  });

  it('ends in its outcome', async () => {
    const won = live.claim(1, 2);
    expect(stage.socket.sent.at(-1)).toEqual({ type: 'claim', id: '1.2', round: 1, tile: 2 });
    stage.socket.say(outcome('1.2', 'won', { points: 25 }));
    expect(await won).toMatchObject({ outcome: 'won', points: 25 });
  });

  it('is the same one when it is made twice', async () => {
    const both = [live.claim(1, 2), live.claim(1, 2)];
    expect(claims()).toEqual(['1.2']);
    stage.socket.say(outcome('1.2', 'taken'));
    expect((await Promise.all(both)).map((one) => one.outcome)).toEqual(['taken', 'taken']);
  });

  it('is sent again while its answer does not come', () => {
    void live.claim(1, 2);
    stage.pass(4_999);
    expect(claims()).toHaveLength(1);
    stage.pass(1);
    expect(claims()).toHaveLength(2);
  });

  it('waits for a connection, and is sent once more on the next one', async () => {
    stage.socket.cut(1006);
    const won = live.claim(1, 2);
    waitOut();
    admit({ player: 'ada' });
    expect(claims()).toEqual(['1.2']);
    lose({ player: 'ada' });
    expect(claims()).toEqual(['1.2']);
    stage.socket.say(outcome('1.2', 'won'));
    expect((await won).outcome).toBe('won');
    lose({ player: 'ada' });
    expect(claims()).toEqual([]);
  });

  it.each(['outcome-unknown', 'overloaded', 'not-yet-open'])('goes on after %s, when the server says', async (name) => {
    const won = live.claim(1, 2);
    stage.socket.say(outcome('1.2', name, { retryAfterMs: 700 }));
    stage.pass(699);
    expect(claims()).toHaveLength(1);
    stage.pass(1);
    expect(claims()).toHaveLength(2);
    stage.socket.say(outcome('1.2', 'won'));
    expect((await won).outcome).toBe('won');
  });

  it('ends when the server is never able to answer', async () => {
    const given = live.claim(1, 2);
    for (let tries = 0; tries < 8; tries += 1) {
      stage.socket.say(outcome('1.2', 'overloaded'));
      stage.pass(10_000);
    }
    expect(await given).toMatchObject({ outcome: 'overloaded' });
    expect(claims()).toHaveLength(8);
  });

  it.each(['rate-limited', 'hunt-paused', 'storage-full', 'expired'])('ends with %s', async (name) => {
    const refused = live.claim(1, 2);
    stage.socket.say(outcome('1.2', name));
    expect((await refused).outcome).toBe(name);
  });

  it('is not made by an answer that nobody asked for', () => {
    stage.socket.say(outcome('9.9', 'won'));
    expect(claims()).toEqual([]);
  });

  it('fails when the server refuses the message, when its player leaves, and when all is closed', async () => {
    const refused = live.claim(1, 1);
    stage.socket.say({ ...refusal('unauthorized'), id: '1.1' });
    await expect(refused).rejects.toMatchObject({ name: 'ClaimError', code: 'unauthorized' });
    const left = live.claim(1, 2);
    live.become('other');
    await expect(left).rejects.toMatchObject({ code: 'player-changed' });
    const late = live.claim(1, 3);
    live.close();
    await expect(late).rejects.toMatchObject({ code: 'closed' });
    await expect(live.claim(1, 4)).rejects.toBeInstanceOf(ClaimError);
  });

  it('is given up on a signal, and then not sent again', async () => {
    const giveUp = new AbortController();
    const given = live.claim(1, 2, { signal: giveUp.signal });
    giveUp.abort();
    await expect(given).rejects.toMatchObject({ name: 'AbortError' });
    stage.pass(20_000);
    expect(claims()).toHaveLength(1);
    await expect(live.claim(1, 3, { signal: giveUp.signal })).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('is refused at once when too many have no answer', async () => {
    const all = Array.from({ length: CLAIMS_PENDING_MAX + 1 }, (_, tile) => live.claim(1, tile).catch((error: ClaimError) => error));
    expect(await all.at(-1)).toMatchObject({ code: 'too-many-claims' });
    expect(claims()).toHaveLength(CLAIMS_PENDING_MAX);
  });
});

describe('a subscription', () => {
  it('resumes what it knew', () => {
    begin();
    admit();
    stage.socket.say(snapshot({ resume: 'r1' }));
    stage.socket.say(delta({ resume: 'r2' }));
    lose({ resumed: true });
    expect(subscriptions()).toEqual([{ type: 'subscribe', resume: 'r2' }]);
    expect(live.status).toMatchObject({ state: 'live', again: true, resumed: true });
  });

  it('is made anew where a snapshot was promised and did not come', () => {
    begin();
    admit();
    stage.socket.say(snapshot({ resume: 'r1' }));
    lose({ resumed: false });
    lose();
    expect(subscriptions()).toEqual([{ type: 'subscribe' }]);
  });

  it('is made anew after a message that could not be read', () => {
    begin();
    admit();
    stage.socket.say(snapshot({ resume: 'r1' }));
    stage.socket.frame('{"type":"delta"}');
    waitOut();
    admit();
    expect(subscriptions()).toEqual([{ type: 'subscribe' }]);
  });

  it('asks for what was given as options', () => {
    begin({ token: 't', interest: { boards: ['total'] }, ownRank: 'total' });
    admit();
    expect(subscriptions()).toEqual([{ type: 'subscribe', interest: { boards: ['total'] }, own_rank: 'total' }]);
  });

  it('asks for no own rank without a player', () => {
    begin({ ownRank: 'total' });
    admit();
    expect(subscriptions()).toEqual([{ type: 'subscribe' }]);
  });

  it('changes on the same connection, and is granted by the answer', async () => {
    begin();
    admit();
    const granted = live.subscribe({ interest: { cells: ['8a1958b0b6dffff'] } });
    expect(subscriptions().at(-1)).toEqual({ type: 'subscribe', interest: { cells: ['8a1958b0b6dffff'] } });
    stage.socket.say(subscribed({ interest: { cells: ['8a1958b0b6dffff'] } }));
    await granted;
    expect(live.state.interest).toEqual({ cells: ['8a1958b0b6dffff'] });
    expect(events.filter(({ type }) => type === 'status')).toHaveLength(1);
  });

  it('is granted by the answer to the last of several changes', async () => {
    begin();
    admit();
    let done = false;
    const first = live.subscribe({ interest: { cells: ['8a1958b0b6dffff'] } }).then(() => (done = true));
    const second = live.subscribe({ interest: 'everything' });
    stage.socket.say(subscribed({ interest: { cells: ['8a1958b0b6dffff'] } }));
    await Promise.resolve();
    expect(done).toBe(false);
    stage.socket.say(subscribed());
    await Promise.all([first, second]);
  });

  it('does not resume a state of other claims', async () => {
    begin();
    admit();
    stage.socket.say(snapshot({ resume: 'r1' }));
    stage.socket.cut(1006);
    const granted = live.subscribe({ interest: { cells: ['8a1958b0b6dffff'] } });
    waitOut();
    admit({ interest: { cells: ['8a1958b0b6dffff'] } });
    await granted;
    expect(subscriptions()).toEqual([{ type: 'subscribe', interest: { cells: ['8a1958b0b6dffff'] } }]);
    stage.socket.say(snapshot({ resume: 'r2' }));
    lose({ interest: { cells: ['8a1958b0b6dffff'] }, resumed: true });
    expect(subscriptions()).toEqual([{ type: 'subscribe', resume: 'r2', interest: { cells: ['8a1958b0b6dffff'] } }]);
  });

  it('that is refused leaves what held before, and says why', async () => {
    begin();
    admit();
    const refused = live.subscribe({ interest: { cells: ['8000000000000ff'] } });
    stage.socket.say(refusal('unknown-cell'));
    await expect(refused).rejects.toBeInstanceOf(SubscriptionError);
    expect(events.at(-2)).toMatchObject({ type: 'subscription-refused', error: { code: 'unknown-cell' } });
    expect(live.state.interest).toBe('everything');
    stage.socket.say(snapshot({ resume: 'r1' }));
    lose({ resumed: true });
    expect(subscriptions()).toEqual([{ type: 'subscribe', resume: 'r1' }]);
  });

  it('that is refused as the first one is made for everything', () => {
    begin({ interest: { cells: ['8000000000000ff'] } });
    stage.socket.open();
    stage.socket.say(refusal('unknown-cell'));
    expect(subscriptions()).toEqual([{ type: 'subscribe', interest: { cells: ['8000000000000ff'] } }, { type: 'subscribe' }]);
    stage.socket.say(subscribed());
    expect(live.status.state).toBe('live');
  });

  it('fails when all is closed', async () => {
    begin();
    const waiting = live.subscribe({ ownRank: 'best' });
    live.close();
    await expect(waiting).rejects.toMatchObject({ code: 'closed' });
    await expect(live.subscribe({})).rejects.toMatchObject({ code: 'closed' });
  });
});

describe('a live hunt', () => {
  it('shows its state when it tells of a message', () => {
    begin();
    let rounds = 0;
    live.listen(() => (rounds = live.state.rounds.size));
    admit();
    stage.socket.say(opened(1));
    expect(rounds).toBe(1);
  });

  it('waits for something in the state', async () => {
    begin();
    const found = live.until((state) => state.newestOpen());
    admit();
    stage.socket.say(opened(4));
    expect((await found).info.round).toBe(4);
    expect((await live.until((state) => state.newestOpen())).info.round).toBe(4);
  });

  it('ends the waiting on a signal, on a fault of who looks, and when it is closed', async () => {
    begin();
    const giveUp = new AbortController();
    const given = live.until(() => null, { signal: giveUp.signal });
    giveUp.abort();
    await expect(given).rejects.toMatchObject({ name: 'AbortError' });
    await expect(live.until(() => { throw new RangeError('mine'); })).rejects.toThrow('mine');
    const waiting = live.until(() => null);
    live.close();
    await expect(waiting).rejects.toThrow('closed');
    await expect(live.until(() => null)).rejects.toThrow('closed');
  });

  it('goes on without a token that the server refuses, and says so', () => {
    begin({ token: 't', ownRank: 'total' });
    admit({ player: 'ada' });
    stage.socket.cut(1008);
    expect(events.map(({ type }) => type)).toContain('token-refused');
    waitOut();
    admit();
    expect(stage.socket.protocols).toEqual(['huntcore.v1.json']);
    expect(subscriptions()).toEqual([{ type: 'subscribe' }]);
  });

  it('connects only when told to, if so asked', () => {
    begin({ connect: false });
    expect(stage.sockets).toHaveLength(0);
    live.connect();
    live.connect();
    expect(stage.sockets).toHaveLength(1);
    live.close();
    live.connect();
    expect(stage.sockets).toHaveLength(1);
  });

  it('knows the server’s clock', () => {
    begin();
    admit();
    stage.pass(1_000);
    expect(live.serverTimeMs()).toBe(NOW_MS + 1_000);
  });

  it('has to be given a WebSocket where the runtime has none', () => {
    vi.stubGlobal('WebSocket', undefined);
    try {
      expect(() => new LiveHunt('ws://hunt.example')).toThrow(/give the option `webSocket`/);
    } finally {
      vi.unstubAllGlobals();
    }
  });
});
