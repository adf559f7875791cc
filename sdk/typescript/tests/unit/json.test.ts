import { describe, expect, it } from 'vitest';
import { json, MalformedError } from '../../src/index.ts';
import { board, correction, delta, HASH, info, NOW_MS, opened, outcome, snapshot, subscribed, written } from './support.ts';

const read = (message: unknown): unknown => json.decode(JSON.stringify(message));

describe('JSON from a server', () => {
  it.each([
    subscribed({ player: 'ada', resumed: true, ownRank: 'total', interest: { cells: ['8a1958b0b6dffff'] } }),
    subscribed({ interest: { boards: ['total', 'second'] } }),
    opened(7),
    delta({ fromTick: 3, claims: [{ round: 7, tile: 1, player: null, points: 5, voided: true }], corrections: [correction(), correction({ kind: 'claim-voided', round: 7, tile: 1, points: 5, player: null })], boards: { version: 9, list: [{ board: 'total', generation: 0 }, { board: 'friday', generation: 9 }] }, closed: [5, 6], seeds: [{ round: 5, seed: HASH }], state: 'paused' }),
    delta({}),
    snapshot({ rounds: [{ ...info(7), closed: true, seed: HASH, claims: [{ tile: 3, player: 'bob', points: 1, voided: false }] }], board: board('total', -4), corrections: [correction()] }),
    snapshot({ rounds: [{ ...info(7), closed: false, seed: null, claims: [] }] }),
    { type: 'board' as const, serverTimeMs: NOW_MS, ...board('friday', 2 ** 53 - 1), generation: 7 },
    { type: 'rank' as const, serverTimeMs: NOW_MS, board: 'total' as const, player: 'ada', rank: 17, score: 40, players: 99, position: 'pa' },
    { type: 'rank' as const, serverTimeMs: NOW_MS, board: 'best' as const, player: 'ada', rank: null, score: null, players: 0, position: 'pa' },
    outcome('7.1', 'won', { points: 25, position: 'pa' }),
    outcome('7.1', 'taken', { winnerPosition: 'pb' }),
    outcome('7.1', 'overloaded', { retryAfterMs: 250, detail: 'no room' }),
    { type: 'error' as const, serverTimeMs: NOW_MS, id: null, code: 'unknown-cell', detail: 'no such cell' },
  ])('is read as what it says: $type', (message) => {
    expect(read(written(message))).toEqual(message);
  });

  it('may say more than this version knows', () => {
    expect(read({ ...written(delta({})), weather: 'fine' })).toEqual(delta({}));
    expect(read({ type: 'weather' })).toBeNull();
    expect(read({ ...written(delta({})), state: 'dreaming' })).toMatchObject({ state: null });
    expect(read({ ...written(outcome('1.1', 'won')), outcome: 'split' })).toMatchObject({ outcome: 'split' });
  });

  it.each([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['null', 'null'],
    ['no type', '{}'],
    ['bytes', new Uint8Array(2)],
    ['a round without a layout', JSON.stringify({ ...written(opened(1)), layout: undefined })],
    ['a layout that is not 32 bytes', JSON.stringify({ ...written(opened(1)), layout: 'abcd' })],
    ['a round whose time is no time', JSON.stringify({ ...written(opened(1)), opens_at: 'soon' })],
    ['a claim of no tile', JSON.stringify({ ...written(delta({})), claims: [{ round: 1, player: 'a', points: 1 }] })],
    ['a claim that is none', JSON.stringify({ ...written(delta({})), claims: [7] })],
    ['a tick that is no integer', JSON.stringify({ ...written(delta({})), tick: 1.5 })],
    ['a delta without claims', JSON.stringify({ ...written(delta({})), claims: undefined })],
    ['an interest that is none', JSON.stringify({ ...written(subscribed()), interest: { rounds: [1] } })],
  ])('is refused if it is %s', (_, frame) => {
    expect(() => json.decode(frame)).toThrow(MalformedError);
  });
});

describe('JSON to a server', () => {
  it.each([
    [{ type: 'subscribe' as const }, { type: 'subscribe' }],
    [{ type: 'subscribe' as const, interest: 'everything' as const }, { type: 'subscribe' }],
    [
      { type: 'subscribe' as const, resume: 'ra', interest: { boards: ['total' as const] }, ownRank: 'best' as const },
      { type: 'subscribe', resume: 'ra', interest: { boards: ['total'] }, own_rank: 'best' },
    ],
    [
      { type: 'claim' as const, id: '7.1', round: 7, tile: 1, answer: 'blue' },
      { type: 'claim', id: '7.1', round: 7, tile: 1, answer: 'blue' },
    ],
  ])('is spelled as the server reads it: %j', (message, expected) => {
    expect(JSON.parse(json.encode(message) as string)).toEqual(expected);
  });
});
