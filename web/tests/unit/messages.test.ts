import { describe, expect, it } from 'vitest';
import { decodeMessage } from '../../src/lib/protocol/messages';

const HASH = 'ab'.repeat(32);
const ROUND = {
  round: 7, config_version: 2, map: HASH, commitment: HASH, layout: HASH, tiles: 24,
  opens_at: '2026-11-22T10:00:00.000Z', closes_at: '2026-11-22T10:00:10.000Z',
};

function decode(message: unknown): unknown {
  return decodeMessage(JSON.stringify(message))?.message ?? null;
}

describe('decoding', () => {
  it('reads a round and the time it was written at', () => {
    const decoded = decodeMessage(JSON.stringify({ type: 'round', server_time: '2026-11-22T10:00:00.500Z', hunt: 'park', ...ROUND }));
    expect(decoded?.serverTimeMs).toBe(Date.parse('2026-11-22T10:00:00.500Z'));
    expect(decoded?.message).toMatchObject({ type: 'round', round: 7, configVersion: 2, tiles: 24, layout: HASH });
  });

  it('reads a delta with little in it', () => {
    expect(decode({ type: 'delta', tick: 3, resume: 'x', oldest: 2, claims: [{ round: 7, tile: 1, player: null, points: 5 }] })).toEqual({
      type: 'delta', tick: 3, resume: 'x', oldest: 2, closed: [], seeds: [], state: null,
      claims: [{ round: 7, tile: 1, player: null, points: 5 }],
    });
  });

  it('reads a snapshot with its board', () => {
    const board = {
      board: 'total', revision: 9, window: { start: null, end: null, final: false }, position: 'p', players: 3,
      entries: [{ rank: 1, player: 'ada', score: -4 }],
    };
    expect(decode({ type: 'snapshot', tick: 1, resume: 'x', hunt: 'park', state: 'paused', oldest: 1, rounds: [{ ...ROUND, closed: true, seed: HASH, claims: [] }], board })).toMatchObject({
      state: 'paused',
      rounds: [{ round: 7, closed: true, seed: HASH, claims: [] }],
      boards: [{ board: 'total', revision: 9, players: 3, entries: [{ rank: 1, player: 'ada', score: -4 }] }],
    });
  });

  it('reads an outcome', () => {
    expect(decode({ type: 'outcome', id: '7.1', outcome: 'won', round: 7, tile: 1, points: 25, receipt: { position: 'p', time: 't' } })).toMatchObject({
      outcome: 'won', points: 25, position: 'p', retryAfterMs: null,
    });
  });

  it.each([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['null', 'null'],
    ['an unknown type', '{"type":"weather"}'],
    ['no type', '{}'],
    ['a round without a layout', JSON.stringify({ type: 'round', ...ROUND, layout: undefined })],
    ['a layout that is not 32 bytes', JSON.stringify({ type: 'round', ...ROUND, layout: 'abcd' })],
    ['a round whose time is no time', JSON.stringify({ type: 'round', ...ROUND, opens_at: 'soon' })],
    ['a claim of no tile', JSON.stringify({ type: 'delta', claims: [{ round: 1, player: 'a', points: 1 }] })],
    ['a seed of another length', JSON.stringify({ type: 'delta', seeds: [{ round: 1, seed: 'ab' }] })],
  ])('refuses %s', (_, text) => {
    expect(decodeMessage(text)).toBeNull();
  });
});
