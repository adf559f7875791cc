/** The pure parts of the boards' page, and of what is kept. */
import type { WindowView } from 'huntcore-client';
import { describe, expect, it } from 'vitest';
import { addRank, POINTS_MAX, sparkline, type Ranks } from '../../src/lib/boards/ranks';
import { beside, windowLabel, windowState } from '../../src/lib/boards/windows';
import { BUILT_IN, whatCounts, whatWasCorrected, whichWindows } from '../../src/lib/boards/words';
import { age, span } from '../../src/lib/watch/kept';

const NOON = Date.parse('2026-11-22T12:00:00Z');

function ranks(...all: (number | null)[]): Ranks {
  return all.reduce<Ranks>((before, rank, index) => addRank(before, { atMs: NOON + index * 1_000, rank }), []);
}

describe('the line of a rank', () => {
  it('has the best rank at the top, and steps where it changes', () => {
    const drawn = sparkline(ranks(5, 1, 3), 100, 40);
    expect(drawn).toEqual({ paths: ['M0 40H50V0H100V20'], last: { x: 100, y: 20 }, best: 1, worst: 5 });
  });

  it('has a gap where the player was not on the board', () => {
    const drawn = sparkline(ranks(2, 2, null, 4, 4), 100, 40);
    expect(drawn?.paths).toHaveLength(2);
    expect(sparkline(ranks(2, null), 100, 40)).toBeNull();
    expect(sparkline(ranks(7, 7, null), 100, 40)?.last).toBeNull();
  });

  it('lies in the middle while nothing changes', () => {
    expect(sparkline(ranks(3, 3), 100, 40)).toMatchObject({ paths: ['M0 20H100V20'], best: 3, worst: 3 });
  });

  it('takes few points for a rank that stays, and forgets the oldest', () => {
    expect(ranks(...Array.from({ length: 60 }, () => 4)).length).toBeLessThan(20);
    const changing = ranks(...Array.from({ length: 2 * POINTS_MAX }, (_, index) => index % 9));
    expect(changing).toHaveLength(POINTS_MAX);
    expect(changing.at(-1)?.atMs).toBe(NOON + (2 * POINTS_MAX - 1) * 1_000);
    expect(addRank(changing, { atMs: NOON, rank: 1 })).toBe(changing);
  });
});

function window(startMs: number, lengthMs: number, part: Partial<WindowView> = {}): WindowView {
  return { startMs, endMs: startMs + lengthMs, final: true, provisional: false, players: 1, recorded: false, ...part };
}

describe('windows', () => {
  it.each([
    [window(NOON, 1_000), '12:00:00 – 12:00:01'],
    [window(NOON, 3_600_000), '12:00 – 13:00'],
    [window(NOON - 86_400_000, 3_600_000), '21 Nov 12:00 – 13:00'],
    [window(NOON - 43_200_000, 86_400_000), '22 Nov'],
    [window(NOON - 43_200_000, 7 * 86_400_000), '22 Nov – 28 Nov'],
  ])('go by their times: %#', (one, label) => {
    expect(windowLabel(one, NOON + 1, 'UTC')).toBe(label);
  });

  it('without an end are the whole hunt', () => {
    expect(windowLabel({ startMs: null, endMs: null, final: false }, NOON)).toBe('whole hunt');
  });

  it('lead to the ones beside them', () => {
    const [newest, middle, oldest] = [window(NOON + 2_000, 1_000), window(NOON + 1_000, 1_000), window(NOON, 1_000)];
    const all = [newest, middle, oldest] as const;
    expect(beside(all, middle.startMs)).toEqual({ older: oldest, newer: newest });
    expect(beside(all, newest.startMs)).toEqual({ older: middle, newer: null });
    expect(beside(all, null)).toEqual({ older: null, newer: null });
    // One that has been dropped from the list since.
    expect(beside([newest, middle], oldest.startMs)).toEqual({ older: null, newer: middle });
  });

  it('are running, then provisional, then final', () => {
    const running = window(NOON, 10_000, { final: false });
    expect(windowState(running, [running], NOON + 1)).toBe('running');
    const ended = { ...running, provisional: true };
    expect(windowState(running, [ended], NOON + 11_000)).toBe('provisional');
    expect(windowState(running, [], NOON + 11_000)).toBe('provisional');
    expect(windowState({ ...running, final: true }, [], NOON)).toBe('final');
    expect(windowState({ startMs: null, endMs: null, final: false }, [], NOON)).toBe('open');
  });
});

describe('boards in words', () => {
  it('say what counts and when', () => {
    const [total, , second] = BUILT_IN;
    expect([whatCounts(total ?? null), whichWindows(total ?? null)]).toEqual(['points of claims, added up', 'whole hunt']);
    expect(whichWindows(second ?? null)).toBe('every 1s');
    const own = { ...BUILT_IN[0]!, eventTypes: ['boss'], from: 'events', operator: 'min', order: 'ascending', zone: 'Europe/Berlin' };
    expect(whatCounts(own)).toBe('score events (boss), the lowest counts, lowest first');
    expect(whichWindows({ ...own, window: 'week' })).toBe('each week, Europe/Berlin');
    expect(whichWindows({ ...own, window: { cron: '0 18 * * 5' } })).toBe('anew at 0 18 * * 5, Europe/Berlin');
    expect([whatCounts(null), whichWindows(null)]).toEqual(['', '']);
  });

  it('say what was corrected', () => {
    const correction = {
      kind: 'claim-voided', round: 7, tile: 3, points: 25, player: 'ada', reason: '', correctedAtMs: NOON, position: 'p',
    };
    expect(whatWasCorrected(correction)).toBe('claim voided: round 7, tile 3, 25 points');
    expect(whatWasCorrected({ ...correction, kind: 'disqualified' })).toContain('no board');
    expect(whatWasCorrected({ ...correction, kind: 'of-next-year' })).toBe('corrected');
  });
});

describe('what is kept', () => {
  it('is told in the largest unit that fits', () => {
    expect([2_592_000, 86_400, 21_600, 90, 120].map(span)).toEqual(['30 days', '1 day', '6 h', '90 s', '2 min']);
    expect([5_000, 200_000, 25_200_000, 2_600_000_000].map(age)).toEqual(['5 s', '3 min', '7 h', '30 days']);
  });
});
