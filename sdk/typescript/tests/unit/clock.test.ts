import { expect, it } from 'vitest';
import { ServerClock } from '../../src/live/clock.ts';

it('the clock follows the sample that came fastest', () => {
  const clock = new ServerClock();
  clock.observe(10_000, 1_500);
  clock.observe(11_000, 2_040);
  clock.observe(12_000, 3_900);
  expect(clock.serverTimeMs(4_000)).toBe(12_960);
});
