import { describe, expect, it } from 'vitest';
import * as attempts from '../../src/lib/live/attempts';

function answer(outcome: string, part: Partial<Parameters<typeof attempts.answered>[1]> = {}) {
  return { round: 1, tile: 2, outcome, points: null, ...part };
}

const begun = (): attempts.Attempts => attempts.begin([], 1, 2, 0);

describe('an attempt', () => {
  it('is pending until it is answered', () => {
    expect(attempts.pending(begun())).toMatchObject([{ round: 1, tile: 2, outcome: 'pending' }]);
    const won = attempts.answered(begun(), answer('won', { points: 25 }));
    expect(won).toMatchObject([{ outcome: 'won', points: 25 }]);
    expect(attempts.pending(won)).toEqual([]);
  });

  it('is the same one when it is begun twice', () => {
    const once = begun();
    expect(attempts.begin(once, 1, 2, 10)).toBe(once);
  });

  it.each(['won', 'taken', 'expired'])('stays %s, whatever comes later', (name) => {
    const decided = attempts.answered(begun(), answer(name, { points: 5 }));
    expect(attempts.answered(decided, answer('won', { points: 99 }))).toBe(decided);
    expect(attempts.begin(decided, 1, 2, 30)).toBe(decided);
  });

  it.each(['rate-limited', 'hunt-paused', 'storage-full', 'overloaded'])('may be made anew after %s', (name) => {
    const refused = attempts.answered(begun(), answer(name));
    expect(refused[0]?.outcome).toBe(name);
    const anew = attempts.begin(refused, 1, 2, 20);
    expect(anew).toHaveLength(1);
    expect(attempts.pending(anew)).toHaveLength(1);
  });

  it('is not made by an answer that nobody asked for', () => {
    expect(attempts.answered([], answer('won'))).toEqual([]);
  });
});

describe('the history', () => {
  it('adds up', () => {
    let list = attempts.answered(begun(), answer('won', { points: 25 }));
    list = attempts.answered(attempts.begin(list, 1, 3, 0), answer('taken', { tile: 3 }));
    expect(attempts.tally(attempts.begin(list, 1, 4, 0))).toEqual({ won: 1, lost: 1, points: 25 });
  });

  it('comes back from the store, with what was pending still so', () => {
    const list = attempts.begin(attempts.answered(begun(), answer('won', { points: 25 })), 7, 8, 5);
    const back = attempts.decode(attempts.encode(list));
    expect(back).toEqual(list);
    expect(attempts.pending(back).map(({ round }) => round)).toEqual([7]);
  });

  it.each(['', 'nonsense', '{}', '[1]', '[["a",1,2,"won",3]]', 'null'])('is empty when the store holds %j', (stored) => {
    expect(attempts.decode(stored)).toEqual([]);
  });

  it('is bounded, but forgets nothing that is pending', () => {
    let list = attempts.begin([], 0, 0, 0);
    for (let round = 1; round <= 500; round += 1) {
      list = attempts.answered(attempts.begin(list, round, 2, 0), answer('taken', { round }));
    }
    expect(list.length).toBeLessThanOrEqual(attempts.HISTORY_MAX + 1);
    expect(attempts.find(list, 0, 0)?.outcome).toBe('pending');
  });
});
