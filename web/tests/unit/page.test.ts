/** The small pure parts of the page. */
import type { Board, LiveRound, Rank, Stats } from 'huntcore-client';
import { describe, expect, it } from 'vitest';
import { climbed, nextMoves } from '../../src/lib/live/board-moves';
import { chooseRound, openRounds } from '../../src/lib/live/shown';
import { ownStanding } from '../../src/lib/live/standing';
import { fit, pan, zoomAbout } from '../../src/lib/map/camera';
import { cellGeometry } from '../../src/lib/map/geometry';
import { nearestTile, tileTowards } from '../../src/lib/map/locate';
import { projectionAround } from '../../src/lib/map/projection';
import { FREE, MINE, TAKEN, tierOf, tileStates, WAITING } from '../../src/lib/map/tile-state';
import { begin } from '../../src/lib/live/attempts';
import { fromToken, suggestName } from '../../src/lib/live/identity';
import { summarise } from '../../src/lib/ui/feedback.svelte';
import { ago, bytes, outcomeText, short, whole } from '../../src/lib/ui/format';
import { playerName } from '../../src/lib/ui/player-name';
import { parseRoute } from '../../src/lib/ui/router.svelte';
import { statusReason, statusText } from '../../src/lib/ui/status';
import { addGap, addStats, NO_FIGURES, POINTS_MAX } from '../../src/lib/watch/series';
import { vectors } from './vectors';

function open(round: number, opensAtMs: number, closesAtMs: number): [number, LiveRound] {
  const hash = '00'.repeat(32);
  return [
    round,
    {
      info: { round, configVersion: 1, map: hash, commitment: hash, layout: hash, tiles: 8, opensAtMs, closesAtMs },
      closed: false,
      seed: null,
      claims: new Map(),
    },
  ];
}

describe('the shown round', () => {
  const rounds = new Map([open(1, 0, 10_000), open(2, 1_000, 11_000), open(3, 2_000, 12_000)]);

  it('is the newest that has opened', () => {
    expect(chooseRound(rounds, null, 2_500).shown?.info.round).toBe(3);
    expect(chooseRound(rounds, null, 1_500).shown?.info.round).toBe(2);
  });

  it('is the held one until it is about to close', () => {
    expect(chooseRound(rounds, 1, 9_000)).toMatchObject({ held: 1, shown: { info: { round: 1 } } });
    expect(chooseRound(rounds, 1, 9_900)).toMatchObject({ held: null, shown: { info: { round: 3 } } });
  });

  it('is open until a message closes it, or its time has long run out', () => {
    const [, first] = open(1, 0, 10_000);
    const some = new Map([[1, { ...first, closed: true }], open(2, 1_000, 11_000), open(3, 2_000, 12_000)]);
    expect(openRounds(some, 3_000).map(({ info }) => info.round)).toEqual([3, 2]);
    expect(openRounds(some, 12_501).map(({ info }) => info.round)).toEqual([3]);
    expect(chooseRound(some, 1, 3_000)).toMatchObject({ held: null, shown: { info: { round: 3 } } });
  });

  it('is none where there is none', () => {
    expect(chooseRound(new Map(), 4, 0)).toEqual({ shown: null, held: null });
  });
});

describe('tile states', () => {
  it('tell mine from others and from what is pending', () => {
    const [, round] = open(1, 0, 10_000);
    const claimed: LiveRound = {
      ...round,
      claims: new Map([
        [1, { player: 'me', points: 1, voided: false }],
        [2, { player: 'ada', points: 1, voided: false }],
        [3, { player: null, points: 0, voided: false }],
      ]),
    };
    const states = tileStates(claimed, begin(begin([], 1, 4, 0), 1, 2, 0), 'me');
    expect([...states]).toEqual([FREE, MINE, TAKEN, TAKEN, WAITING, FREE, FREE, FREE]);
  });

  it('have tiers by the table of values', () => {
    const table = [{ points: 1 }, { points: 5 }, { points: 25 }, { points: 100 }];
    expect([1, 5, 25, 100, 7].map((points) => tierOf(points, table))).toEqual([0, 1, 2, 3, 0]);
    expect(tierOf(9, [{ points: 9 }])).toBe(0);
  });
});

describe('the map', () => {
  it('projects there and back', () => {
    const projection = projectionAround([[13.3, 52.5], [13.4, 52.6]]);
    expect(projection.longitudeAt(projection.x(13.33))).toBeCloseTo(13.33, 9);
    expect(projection.latitudeAt(projection.y(52.51))).toBeCloseTo(52.51, 9);
  });

  it('keeps an area across the antimeridian whole', () => {
    const projection = projectionAround([[179.9, -17], [-179.9, -17.1]]);
    expect(Math.abs(projection.x(179.9) - projection.x(-179.9))).toBeLessThan(30_000);
  });

  it('fits a box, zooms about a point and pans within reason', () => {
    const box = { left: -100, top: -50, right: 100, bottom: 50 };
    const size = { width: 420, height: 420 };
    const fitted = fit(box, size, { top: 10, right: 10, bottom: 10, left: 10 });
    expect(fitted).toEqual({ scale: 2, x: 210, y: 210 });
    const near = zoomAbout(fitted, 3, 60, 80, fitted);
    expect((60 - near.x) / near.scale).toBeCloseTo((60 - fitted.x) / fitted.scale);
    expect(zoomAbout(near, 0.01, 0, 0, fitted)).toBe(fitted);
    expect(pan(near, 1e6, 1e6, box, size).x).toBe(210 + 100 * near.scale);
  });

  it('has real cells, and finds tiles in them', async () => {
    const { cells, resolution } = vectors.cells;
    const geometry = await cellGeometry({ configVersion: 1, resolution, cells }, []);
    expect(geometry.count).toBe(cells.length);
    // The mean edge of a cell at resolution 12 is 10.8 m.
    expect(geometry.cellRadius).toBeGreaterThan(8);
    expect(geometry.cellRadius).toBeLessThan(13);
    const tiles = Uint32Array.of(3, 50, 90);
    const x = geometry.centres[100] as number;
    const y = geometry.centres[101] as number;
    expect(nearestTile(geometry, tiles, x, y, () => true)).toEqual({ tile: 1, distance: 0 });
    const east = tileTowards(geometry, Uint32Array.from(cells, (_, index) => index), 50, 1, 0, () => true);
    expect(geometry.centres[(east as number) * 2]).toBeGreaterThan(x);
  });
});

describe('the board', () => {
  const entries = (...players: string[]): Board['entries'] =>
    players.map((player, index) => ({ rank: index + 1, player, score: 10 - index }));

  it('shows moves for a while, and none at first sight', () => {
    const first = nextMoves(new Map(), entries('a', 'b', 'c'), 0);
    expect(climbed(first.get('a'))).toBe(0);
    const second = nextMoves(first, entries('b', 'a', 'c', 'd'), 1_000);
    expect(['a', 'b', 'c', 'd'].map((player) => climbed(second.get(player)))).toEqual([-1, 1, 0, null]);
    const later = nextMoves(nextMoves(second, entries('b', 'a', 'c', 'd'), 9_000), entries('b', 'a', 'c', 'd'), 9_500);
    expect(['a', 'b', 'c', 'd'].map((player) => climbed(later.get(player)))).toEqual([0, 0, 0, 0]);
  });

  it('adds up moves that follow each other', () => {
    let moves = nextMoves(new Map(), entries('a', 'b', 'c'), 0);
    moves = nextMoves(moves, entries('a', 'c', 'b'), 10_000);
    moves = nextMoves(moves, entries('c', 'a', 'b'), 11_000);
    expect(climbed(moves.get('c'))).toBe(2);
  });

  it('gives my rank from the top, else as I alone was told', () => {
    const board: Board = {
      board: 'total', generation: 0, window: { startMs: null, endMs: null, final: false }, position: '', players: 500, entries: entries('a', 'b'),
    };
    const told: Rank = { board: 'total', player: 'me', rank: 321, score: 4, players: 400, position: '' };
    expect(ownStanding(board, told, 'b')).toEqual({ rank: 2, score: 9, of: 500 });
    expect(ownStanding(board, told, 'me')).toEqual({ rank: 321, score: 4, of: 500 });
    expect(ownStanding(null, told, 'me')).toEqual({ rank: 321, score: 4, of: 400 });
    expect(ownStanding(board, { ...told, rank: null, score: null }, 'me')).toBeNull();
    expect(ownStanding(board, null, 'me')).toBeNull();
    expect(ownStanding(board, told, null)).toBeNull();
  });
});

describe('the figures', () => {
  const stats = (serverTimeMs: number, attemptsTotal: number, lagMs: number): Stats => ({
    serverTimeMs, uptimeS: 1, attemptsTotal, wonTotal: attemptsTotal / 2, takenTotal: 0, refusedTotal: {}, unansweredTotal: 0,
    eventsTotal: 0, claimP50Ms: 1, claimP99Ms: 2, connections: 3, projections: [{ name: 'boards', lagMs, lagRecords: 0 }],
    logBytes: 0, batchesTotal: 0, syncsTotal: 0, memoryBytes: 5e6, retention: null,
  });

  it('are rates between two answers', () => {
    const figures = addStats(addStats(NO_FIGURES, stats(1_000, 100, 7)), stats(3_000, 500, 9));
    expect(figures.attemptsPerSecond).toEqual([null, 200]);
    expect(figures.claimsPerSecond).toEqual([null, 100]);
    expect(figures.lagMs.get('boards')).toEqual([7, 9]);
  });

  it('have a gap where the server was silent or began anew', () => {
    const before = addGap(addStats(NO_FIGURES, stats(1_000, 100, 7)));
    const figures = addStats(before, stats(5_000, 3, 9));
    expect(figures.attemptsPerSecond).toEqual([null, null, null]);
    expect(figures.connections).toEqual([3, null, 3]);
    expect(figures.time).toEqual([...figures.time].sort((left, right) => left - right));
  });

  it('forget the oldest', () => {
    let figures = NO_FIGURES;
    for (let second = 0; second < POINTS_MAX + 50; second += 1) figures = addStats(figures, stats(second * 1_000, second, 1));
    expect(figures.time).toHaveLength(POINTS_MAX);
    expect(figures.lagMs.get('boards')).toHaveLength(POINTS_MAX);
  });
});

describe('words and numbers', () => {
  it('are short', () => {
    expect([whole(1204), short(7.44), short(38.2), bytes(1_234_567), bytes(12)]).toEqual(['1,204', '7.4', '38', '1.2 MB', '12 B']);
    expect([ago(500), ago(61_000), outcomeText('taken'), outcomeText('some-new-one')]).toEqual(['now', '1 min ago', 'someone was faster', 'some new one']);
  });

  it('sum up outcomes in one line of a kind', () => {
    const attempt = (tile: number, outcome: string, points: number) => ({ round: 1, tile, outcome, points, startedAtMs: 0 });
    expect(summarise([attempt(1, 'won', 5), attempt(2, 'won', 25), attempt(3, 'taken', 0)])).toMatchObject([
      { kind: 'won', title: '2 tiles are yours', detail: '+30 points' },
      { kind: 'lost', title: 'Tile 3', detail: 'someone was faster' },
    ]);
  });

  it('say how the connection is', () => {
    const waiting = { state: 'waiting', untilMs: 3_400, why: 'restarting' } as const;
    expect([statusText(waiting, 1_000), statusReason(waiting)]).toEqual(['reconnecting in 3 s', 'server restarting']);
    const live = { state: 'live', again: true, resumed: true, sinceMs: 0 } as const;
    expect([statusText(live, 1_000), statusText(live, 60_000)]).toEqual(['resumed', 'live']);
  });

  it('name players as people do', () => {
    expect(playerName('ada~9f3c01a2b4')).toEqual({ name: 'ada', suffix: '~9f3c' });
    expect(playerName('ada~lovelace')).toEqual({ name: 'ada~lovelace', suffix: '' });
    expect(suggestName(() => 0.999)).toBe('silver-swan-99');
  });

  it('read a token for display, and survive one that is none', () => {
    const payload = btoa(JSON.stringify({ sub: 'ada', exp: 10 })).replaceAll('=', '');
    expect(fromToken(`x.${payload}.y`)).toMatchObject({ player: 'ada', expiresAtMs: 10_000 });
    expect(fromToken('rubbish')).toMatchObject({ player: 'player', expiresAtMs: null });
  });

  it('route by the hash', () => {
    expect(parseRoute('#/play/park')).toEqual({ page: 'play', hunt: 'park', token: null });
    expect(parseRoute('#/watch/a%20b?token=t')).toEqual({ page: 'watch', hunt: 'a b', token: 't' });
    expect(parseRoute('')).toEqual({ page: 'home', hunt: null, token: null });
    expect(parseRoute('#/nonsense/park').page).toBe('home');
    expect(parseRoute('#/play/%E0%A4%A').hunt).toBe('%E0%A4%A');
  });
});
