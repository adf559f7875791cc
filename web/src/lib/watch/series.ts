/** The last minutes of the server's figures, as columns for the charts. Pure. */
import type { Stats } from 'huntcore-client';

export const POINTS_MAX = 300;

export interface Figures {
  /** Seconds since the Unix epoch. */
  readonly time: readonly number[];
  readonly attemptsPerSecond: readonly (number | null)[];
  readonly claimsPerSecond: readonly (number | null)[];
  readonly p50Ms: readonly (number | null)[];
  readonly p99Ms: readonly (number | null)[];
  readonly connections: readonly (number | null)[];
  readonly memoryMb: readonly (number | null)[];
  readonly lagMs: ReadonlyMap<string, readonly (number | null)[]>;
  readonly last: Stats | null;
}

export const NO_FIGURES: Figures = {
  time: [],
  attemptsPerSecond: [],
  claimsPerSecond: [],
  p50Ms: [],
  p99Ms: [],
  connections: [],
  memoryMb: [],
  lagMs: new Map(),
  last: null,
};

export function addStats(figures: Figures, stats: Stats): Figures {
  const { last } = figures;
  if (last !== null && stats.serverTimeMs <= last.serverTimeMs) return figures;
  const lagMs = new Map<string, readonly (number | null)[]>();
  const names = new Set([...figures.lagMs.keys(), ...stats.projections.map(({ name }) => name)]);
  for (const name of names) {
    const known = figures.lagMs.get(name) ?? figures.time.map(() => null);
    const now = stats.projections.find((projection) => projection.name === name)?.lagMs ?? null;
    lagMs.set(name, push(known, now));
  }
  return {
    time: push(figures.time, stats.serverTimeMs / 1000),
    attemptsPerSecond: push(figures.attemptsPerSecond, rate(last, stats, (one) => one.attemptsTotal)),
    claimsPerSecond: push(figures.claimsPerSecond, rate(last, stats, (one) => one.wonTotal)),
    p50Ms: push(figures.p50Ms, stats.claimP50Ms),
    p99Ms: push(figures.p99Ms, stats.claimP99Ms),
    connections: push(figures.connections, stats.connections),
    memoryMb: push(figures.memoryMb, stats.memoryBytes / 1e6),
    lagMs,
    last: stats,
  };
}

/** The server did not answer: a gap in every line, not a line across. */
export function addGap(figures: Figures): Figures {
  // On the server's clock, whose next answer must still come after it.
  const before = figures.time.at(-1);
  if (before === undefined) return figures;
  const time = before + 0.001;
  const lagMs = new Map([...figures.lagMs].map(([name, line]) => [name, push(line, null)]));
  return {
    time: push(figures.time, time),
    attemptsPerSecond: push(figures.attemptsPerSecond, null),
    claimsPerSecond: push(figures.claimsPerSecond, null),
    p50Ms: push(figures.p50Ms, null),
    p99Ms: push(figures.p99Ms, null),
    connections: push(figures.connections, null),
    memoryMb: push(figures.memoryMb, null),
    lagMs,
    last: figures.last,
  };
}

/** Per second between two answers; `null` after a restart, which sets totals back. */
function rate(before: Stats | null, now: Stats, total: (stats: Stats) => number): number | null {
  if (before === null) return null;
  const seconds = (now.serverTimeMs - before.serverTimeMs) / 1000;
  const more = total(now) - total(before);
  return seconds <= 0 || more < 0 ? null : more / seconds;
}

function push<Value>(line: readonly Value[], value: Value): Value[] {
  return [...line.slice(-(POINTS_MAX - 1)), value];
}

export function latest(line: readonly (number | null)[]): number | null {
  return line.findLast((value) => value !== null) ?? null;
}
