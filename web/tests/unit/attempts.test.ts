import { describe, expect, it } from 'vitest';
import * as attempts from '../../src/lib/live/attempts';
import type { Outcome } from '../../src/lib/protocol/messages';

function outcome(name: string, part: Partial<Outcome> = {}): Outcome {
  return {
    type: 'outcome', id: '1.2', outcome: name, round: 1, tile: 2,
    points: null, position: null, retryAfterMs: null, detail: null, ...part,
  };
}

/** One attempt, sent at 0. */
function sentOnce(): attempts.Attempts {
  const begun = attempts.begin([], 1, 2, 0);
  const [one] = attempts.due(begun, 0);
  if (one === undefined) throw new Error('a new attempt is due at once');
  return attempts.sent(begun, one, 0);
}

describe('an attempt', () => {
  it('is due at once, and not again while its answer may still come', () => {
    expect(attempts.due(attempts.begin([], 1, 2, 50), 50)).toHaveLength(1);
    expect(attempts.due(sentOnce(), 4_999)).toEqual([]);
    expect(attempts.due(sentOnce(), 5_000)).toHaveLength(1);
  });

  it('is the same one when it is begun twice', () => {
    const once = sentOnce();
    expect(attempts.begin(once, 1, 2, 10)).toBe(once);
  });

  it('is sent again, and only once more, after a reconnect', () => {
    const again = attempts.reconnected(sentOnce(), 100);
    const [one] = attempts.due(again, 100);
    expect(one && attempts.attemptId(one)).toBe('1.2');
    expect(attempts.due(attempts.sent(again, one as attempts.Attempt, 100), 101)).toEqual([]);
  });

  it.each(['won', 'taken', 'expired'])('stays %s, whatever comes later', (name) => {
    const decided = attempts.answered(sentOnce(), outcome(name, { points: 5 }), 10);
    expect(attempts.answered(decided, outcome('won', { points: 99 }), 20)).toBe(decided);
    expect(attempts.begin(decided, 1, 2, 30)).toBe(decided);
    expect(attempts.due(attempts.reconnected(decided, 40), 1e9)).toEqual([]);
  });

  it.each(['outcome-unknown', 'overloaded', 'not-yet-open'])('goes on after %s, when the server says', (name) => {
    const waiting = attempts.answered(sentOnce(), outcome(name, { retryAfterMs: 700 }), 10);
    expect(attempts.due(waiting, 709)).toEqual([]);
    expect(attempts.due(waiting, 710)).toHaveLength(1);
  });

  it('ends when the server is never able to answer', () => {
    let list = sentOnce();
    for (let now = 10_000; attempts.due(list, now).length > 0; now += 10_000) {
      const [one] = attempts.due(list, now) as [attempts.Attempt];
      list = attempts.answered(attempts.sent(list, one, now), outcome('overloaded'), now);
    }
    expect(list[0]?.outcome).toBe('overloaded');
  });

  it.each(['rate-limited', 'hunt-paused', 'storage-full'])('may be made anew after %s', (name) => {
    const refused = attempts.answered(sentOnce(), outcome(name), 10);
    expect(refused[0]?.outcome).toBe(name);
    const anew = attempts.begin(refused, 1, 2, 20);
    expect(anew).toHaveLength(1);
    expect(attempts.due(anew, 20)).toHaveLength(1);
  });

  it('is not made by an answer that nobody asked for', () => {
    expect(attempts.answered([], outcome('won'), 0)).toEqual([]);
  });
});

describe('the history', () => {
  it('adds up', () => {
    let list = attempts.answered(sentOnce(), outcome('won', { points: 25 }), 0);
    list = attempts.answered(attempts.begin(list, 1, 3, 0), outcome('taken', { tile: 3 }), 0);
    expect(attempts.tally(attempts.begin(list, 1, 4, 0))).toEqual({ won: 1, lost: 1, points: 25 });
  });

  it('comes back from the store, with what was pending due again', () => {
    const list = attempts.begin(attempts.answered(sentOnce(), outcome('won', { points: 25 }), 0), 7, 8, 5);
    const back = attempts.decode(attempts.encode(list));
    expect(back.map(({ round, tile, outcome: how, points }) => [round, tile, how, points])).toEqual([
      [7, 8, 'pending', 0],
      [1, 2, 'won', 25],
    ]);
    expect(attempts.due(back, 0).map(({ round }) => round)).toEqual([7]);
  });

  it.each(['', 'nonsense', '{}', '[1]', '[["a",1,2,"won",3]]', 'null'])('is empty when the store holds %j', (stored) => {
    expect(attempts.decode(stored)).toEqual([]);
  });

  it('is bounded, but forgets nothing that is pending', () => {
    let list = attempts.begin([], 0, 0, 0);
    for (let round = 1; round <= 500; round += 1) {
      list = attempts.answered(attempts.begin(list, round, 2, 0), outcome('taken', { round }), 0);
    }
    expect(list.length).toBeLessThanOrEqual(attempts.HISTORY_MAX + 1);
    expect(attempts.find(list, 0, 0)?.outcome).toBe('pending');
  });
});
