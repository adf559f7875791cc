/** How long things are kept, in words. Pure. */

const DAY_S = 86_400;

/** Why a stream's oldest record is still there. */
export const KEPT_FOR: Readonly<Record<string, string>> = {
  retention: 'young enough',
  segment: 'shares a file with younger ones',
  checkpoints: 'checkpoints still need it',
  sinks: 'a sink has not taken it yet',
  ever: 'no checkpoints are kept',
};

/** A setting: `30 days`, `6 h`, `90 s`. */
export function span(seconds: number): string {
  if (seconds >= DAY_S && seconds % DAY_S === 0) return seconds === DAY_S ? '1 day' : `${seconds / DAY_S} days`;
  if (seconds >= 3_600 && seconds % 3_600 === 0) return `${seconds / 3_600} h`;
  if (seconds >= 60 && seconds % 60 === 0) return `${seconds / 60} min`;
  return `${seconds} s`;
}

/** An age: `12 s`, `4 min`, `7 h`, `29 days`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 2 * 3_600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 2 * DAY_S ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / DAY_S)} days`;
}
