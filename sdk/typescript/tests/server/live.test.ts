/** The client against a real server, in both forms, through losses and restarts. */
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { json, proto, type Form, type LiveEvent, type LiveHunt, type LiveRound, type Status } from '../../src/index.ts';
import { Site } from './site.ts';

const FORMS: readonly (readonly [string, Form])[] = [['json', json], ['proto', proto]];

/** The newest open round. */
const newest = (live: LiveHunt): Promise<LiveRound> => live.until((state) => state.newestOpen());

/** A round once it is closed, whose claims change no more. */
const closed = (live: LiveHunt, round: number): Promise<LiveRound> =>
  live.until((state) => {
    const found = state.rounds.get(round);
    return found?.closed === true && found.seed !== null && found;
  });

function statusOf(live: LiveHunt, wanted: (status: Status) => boolean): Promise<Status> {
  return new Promise((resolve) => {
    const stop = live.listen((event) => {
      if (event.type !== 'status' || !wanted(event.status)) return;
      stop();
      resolve(event.status);
    });
  });
}

describe.each(FORMS)('in %s', (_, form) => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.make();
  });
  afterAll(() => site.remove());

  it('a guest wins a tile, hears of the rank, and everybody sees it', async () => {
    const watcher = site.live({ form });
    const { player, live } = await site.join('ada', { form, ownRank: 'total' });
    const { info } = await newest(live);
    const won = await live.claim(info.round, 3);
    expect(won).toMatchObject({ outcome: 'won', round: info.round, tile: 3 });
    expect(won.points).toBeGreaterThan(0);
    expect(await live.until(({ rank }) => rank?.rank !== null && rank)).toMatchObject({
      board: 'total', player, score: won.points,
    });
    const seen = await watcher.until((state) => state.rounds.get(info.round)?.claims.get(3));
    expect(seen).toEqual({ player, points: won.points, voided: false });
    const page = await site.client.board('park', 'total', { atLeast: won.position as string });
    expect(page.entries.find((entry) => entry.player === player)?.score).toBe(won.points);
    expect(await site.client.standing('park', 'total', player)).toMatchObject({ player, score: won.points });
    // The same attempt gets the same answer; a second player a different one.
    expect(await live.claim(info.round, 3)).toMatchObject({ outcome: 'won', position: won.position });
    const { live: rival } = await site.join('bob', { form });
    expect(await rival.claim(info.round, 3)).toMatchObject({ outcome: 'taken', winnerPosition: won.position });
    expect(await rival.claim(info.round, 64)).toMatchObject({ outcome: 'unknown-tile' });
  });

  it('a message says the same as in the other form', async () => {
    const live = site.live({ form });
    const other = site.live({ form: form === json ? proto : json });
    const { live: player } = await site.join('cleo');
    const { info } = await newest(player);
    await Promise.all([1, 5, 8].map((tile) => player.claim(info.round, tile)));
    const rounds = await Promise.all([live, other].map((one) => closed(one, info.round)));
    expect(rounds[0]).toEqual(rounds[1]);
    expect(rounds[0]?.claims.size).toBe(3);
    expect(rounds[0]?.info).toMatchObject({ ...info });
  });

  it('only the claims in the cells asked for are heard of, and it can be changed', async () => {
    const { live: player } = await site.join('dora');
    const live = site.live({ form });
    const { info } = await newest(live);
    const { tiles } = await site.client.map(info.map);
    const [near, far] = [tiles[10]?.cell as string, tiles[20]?.cell as string];
    await live.subscribe({ interest: { cells: [near] } });
    expect(live.state.interest).toEqual({ cells: [near] });
    await player.claim(info.round, 20);
    await player.claim(info.round, 10);
    await live.until((state) => state.rounds.get(info.round)?.claims.has(10));
    expect([...(live.state.rounds.get(info.round)?.claims.keys() ?? [])]).toEqual([10]);
    await live.subscribe({ interest: { cells: [near, far] } });
    await live.until((state) => state.rounds.get(info.round)?.claims.has(20));
    await live.subscribe({ interest: 'everything' });
    expect(live.state.interest).toBe('everything');
  });

  it('with an interest in boards there are no rounds, but boards and what the hunt is doing', async () => {
    const { player, live: playing } = await site.join('eve');
    const live = site.live({ form, interest: { boards: ['total'] } });
    await live.until((state) => state.huntState !== null);
    const { info } = await newest(playing);
    await playing.claim(info.round, 30);
    await live.until((state) => state.boards.get('total')?.entries.some((entry) => entry.player === player));
    expect(live.state.rounds.size).toBe(0);
    await site.service('/v1/hunts/park/pause');
    await live.until((state) => state.huntState === 'paused');
    await site.service('/v1/hunts/park/resume');
    await live.until((state) => state.huntState === 'running');
    expect(live.state.rounds.size).toBe(0);
    await live.subscribe({ interest: 'everything' });
    expect((await newest(live)).info.round).toBeGreaterThanOrEqual(info.round);
  });

  it('an interest in a cell that does not exist is refused, and what held before goes on', async () => {
    const live = site.live({ form });
    const { info } = await newest(live);
    await expect(live.subscribe({ interest: { cells: ['8fffffffffffffff'] } })).rejects.toMatchObject({ code: 'unknown-cell' });
    expect(live.status.state).toBe('live');
    await live.until((state) => (state.newestOpen()?.info.round ?? 0) > info.round);
    expect(live.state.interest).toBe('everything');
  });

  it('a token that the server refuses is given up, and watching goes on', async () => {
    const live = site.live({ form, token: 'no.good.token', backoff: { firstMs: 10, maxMs: 50 } });
    await new Promise<void>((resolve) => {
      live.listen(({ type }) => {
        if (type === 'token-refused') resolve();
      });
    });
    await newest(live);
    await expect(live.claim(1, 1)).rejects.toMatchObject({ name: 'ClaimError', code: 'unauthorized' });
  });

  it('a silent connection asks whether the server is there, and lives on', async () => {
    const events: LiveEvent[] = [];
    const live = site.live({ form, interest: { boards: ['best'] }, silenceMs: 20 });
    live.listen((event) => events.push(event));
    const answers = (): number => events.filter((event) => event.type === 'message' && event.message.type === 'subscribed').length;
    await live.until(() => answers() >= 4);
    expect(events.filter((event) => event.type === 'status' && event.status.state === 'waiting')).toEqual([]);
  });
});

describe.each(FORMS)('through losses, in %s', (_, form) => {
  let site: Site;
  beforeEach(async () => {
    site = await Site.make();
  });
  afterEach(() => site.remove());

  const backoff = { firstMs: 20, maxMs: 200 };

  it('a connection that is cut is resumed, and nothing is missed', async () => {
    const sockets: WebSocket[] = [];
    class Cuttable extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        sockets.push(this);
      }
    }
    const whole = site.live({ form });
    const live = site.live({ form, backoff, webSocket: Cuttable });
    const { live: player } = await site.join('ada');
    const { info } = await newest(live);
    for (let tile = 0; tile < 24; tile += 1) {
      await player.claim(info.round, tile);
      if (tile % 8 !== 4) continue;
      const back = statusOf(live, ({ state }) => state === 'live');
      sockets.at(-1)?.terminate();
      expect(await back).toMatchObject({ again: true, resumed: true });
    }
    const [seen, truth] = await Promise.all([closed(live, info.round), closed(whole, info.round)]);
    expect(seen).toEqual(truth);
    expect(seen.claims.size).toBe(24);
    expect(sockets).toHaveLength(4);
  });

  it('a server that is killed is found again, an attempt made meanwhile is answered, no claim is lost', async () => {
    const { player, live } = await site.join('ada', { form, backoff, ownRank: 'total' });
    const { info } = await newest(live);
    const before = await live.claim(info.round, 1);
    const waiting = statusOf(live, ({ state }) => state === 'waiting');
    await site.end('SIGKILL');
    expect(await waiting).toMatchObject({ why: 'lost' });
    const meanwhile = live.claim(info.round, 2);
    const back = statusOf(live, ({ state }) => state === 'live');
    await site.start();
    expect(await back).toMatchObject({ again: true });
    expect(['won', 'expired']).toContain((await meanwhile).outcome);
    expect(await live.claim(info.round, 1)).toMatchObject({ outcome: 'won', points: before.points, position: before.position });
    const fresh = site.live({ form });
    const round = await newest(fresh);
    const [seen, truth] = await Promise.all([closed(live, round.info.round), closed(fresh, round.info.round)]);
    expect(seen).toEqual(truth);
    expect(live.state.player).toBe(player);
  });

  it('a server that stops says so', async () => {
    const live = site.live({ form, backoff });
    await newest(live);
    const waiting = statusOf(live, ({ state }) => state === 'waiting');
    const stopped = site.end('SIGTERM');
    expect(await waiting).toMatchObject({ why: 'restarting' });
    await stopped;
  });
});

it('a socket whose client closes it hears no more', async () => {
  const site = await Site.make();
  try {
    const sockets: WebSocket[] = [];
    class Kept extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        sockets.push(this);
      }
    }
    const live = site.live({ webSocket: Kept });
    await newest(live);
    const [socket] = sockets as [WebSocket];
    const gone = once(socket, 'close');
    live.close();
    await gone;
    expect(live.status.state).toBe('stopped');
    expect(sockets).toHaveLength(1);
  } finally {
    await site.remove();
  }
});
