/** Numbers and words as the page shows them. */
const WHOLE = new Intl.NumberFormat('en-GB');

export function whole(value: number): string {
  return WHOLE.format(Math.round(value));
}

/** At most three significant digits: `7.4`, `38`, `1,204`. */
export function short(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return whole(value);
  return value >= 10 ? value.toFixed(0) : value.toFixed(1);
}

export function bytes(value: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let rest = value;
  while (rest >= 1000 && unit < units.length - 1) {
    rest /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? whole(rest) : short(rest)} ${units[unit]}`;
}

export function duration(seconds: number): string {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min` : `${Math.floor(seconds)} s`;
}

export function ago(ms: number): string {
  if (ms < 2_000) return 'now';
  if (ms < 60_000) return `${Math.floor(ms / 1000)} s ago`;
  return ms < 3_600_000 ? `${Math.floor(ms / 60_000)} min ago` : `${Math.floor(ms / 3_600_000)} h ago`;
}

export function pointsOf(points: number): string {
  return points === 1 ? '1 point' : `${whole(points)} points`;
}

const OUTCOMES: Readonly<Record<string, string>> = {
  pending: 'waiting for an answer',
  won: 'won',
  taken: 'someone was faster',
  expired: 'too late, the round was over',
  'not-yet-open': 'not open yet',
  'hunt-paused': 'the hunt is paused',
  'rate-limited': 'too many attempts, slow down',
  overloaded: 'the server is busy',
  'storage-full': 'the server cannot take claims now',
  'unknown-tile': 'no such tile',
  'outcome-unknown': 'no answer could be given',
};

export function outcomeText(outcome: string): string {
  return OUTCOMES[outcome] ?? outcome.replaceAll('-', ' ');
}
