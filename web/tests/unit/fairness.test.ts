import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, it } from 'vitest';
import { WordStream } from '../../src/lib/layout/chacha';
import {
  checkSeeds,
  commitment,
  drawValues,
  expectSeeds,
  layoutOf,
  NOTHING_CHECKED,
} from '../../src/lib/layout/fairness';
import { drawTiles } from '../../src/lib/layout/tiles';
import type { RoundInfo } from 'huntcore-client';
import { vectors } from './vectors';

const announced: RoundInfo[] = vectors.rounds.map((round) => ({
  round: round.round,
  configVersion: round.config_version,
  map: round.map,
  commitment: round.commitment,
  layout: round.layout,
  tiles: round.tiles.length,
  opensAtMs: 0,
  closesAtMs: 1,
}));
const revealed = vectors.rounds.map(({ round, seed }) => ({ round, seed }));

describe('the published vectors', () => {
  it.each(vectors.draws)('draws below $bound', ({ key, bound, numbers }) => {
    const words = new WordStream(hexToBytes(key));
    expect(numbers.map(() => words.uniform(bound))).toEqual(numbers);
  });

  it.each(vectors.rounds)('make the tiles of round $round', (round) => {
    const { cells } = vectors.cells;
    const drawn = drawTiles(hexToBytes(round.layout), cells.length, round.tiles.length);
    expect([...drawn].map((index) => cells[index])).toEqual(round.tiles.map(({ cell }) => cell));
  });

  it.each(vectors.rounds)('bind the seed of round $round', (round) => {
    const seed = hexToBytes(round.seed);
    expect(commitment(round.round, seed)).toBe(round.commitment);
    expect(bytesToHex(layoutOf(seed))).toBe(round.layout);
  });

  it.each(vectors.rounds)('make the values of round $round', (round) => {
    const table = vectors.configs.find(({ version }) => version === round.config_version)?.values ?? [];
    const values = drawValues(hexToBytes(round.seed), round.tiles.length, table);
    expect([...values]).toEqual(round.tiles.map(({ points }) => points));
  });

  it('pass the check that the console makes, across the end of a chain too', () => {
    const checked = checkSeeds(expectSeeds(NOTHING_CHECKED, announced), revealed);
    expect(checked.verified).toBe(announced.length);
    expect(checked.failed).toEqual([]);
    expect(checked.awaiting.size).toBe(0);
  });
});

describe('checking seeds', () => {
  const [first] = announced as [RoundInfo];
  const [seed] = revealed as [{ round: number; seed: string }];

  it('finds a seed that was not committed to', () => {
    const other = { ...seed, seed: '00'.repeat(32) };
    expect(checkSeeds(expectSeeds(NOTHING_CHECKED, [first]), [other]).failed).toEqual([first.round]);
  });

  it('finds a layout that does not come from the seed', () => {
    const altered = { ...first, layout: '11'.repeat(32) };
    expect(checkSeeds(expectSeeds(NOTHING_CHECKED, [altered]), [seed]).failed).toEqual([first.round]);
  });

  it('finds a seed that does not continue the chain', () => {
    // A next round that is sound by itself, but whose seed does not hash to the first one's.
    const loose = 'ab'.repeat(32);
    const next: RoundInfo = {
      ...first,
      round: first.round + 1,
      commitment: commitment(first.round + 1, hexToBytes(loose)),
      layout: bytesToHex(layoutOf(hexToBytes(loose))),
    };
    const checked = checkSeeds(expectSeeds(NOTHING_CHECKED, [first, next]), [seed, { round: next.round, seed: loose }]);
    expect(checked.verified).toBe(1);
    expect(checked.failed).toEqual([next.round]);
  });

  it('counts a round once, however often its seed comes', () => {
    let checked = checkSeeds(expectSeeds(NOTHING_CHECKED, [first]), [seed]);
    checked = checkSeeds(expectSeeds(checked, [first]), [seed]);
    expect(checked.verified).toBe(1);
  });

  it('keeps no more announcements than it has room for', () => {
    const many = Array.from({ length: 1_000 }, (_, index) => ({ ...first, round: index + 1 }));
    expect(expectSeeds(NOTHING_CHECKED, many).awaiting.size).toBe(256);
  });
});

describe('drawing tiles', () => {
  const layout = sha256(Uint8Array.of(1));

  it('takes no cell twice', () => {
    expect(new Set(drawTiles(layout, 5_000, 5_000)).size).toBe(5_000);
  });

  it('gives the same first tiles however many are drawn', () => {
    expect([...drawTiles(layout, 5_000, 1_024)].slice(0, 10)).toEqual([...drawTiles(layout, 5_000, 10)]);
  });

  it('refuses more tiles than there are cells', () => {
    expect(() => drawTiles(layout, 3, 4)).toThrow(RangeError);
  });
});
