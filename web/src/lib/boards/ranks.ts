/** Ranks of one player over time, and the line that is drawn of them. Pure. */

export const POINTS_MAX = 240;
/** While the rank stays the same, a point is added this often, so that the line goes on. */
const SAME_EVERY_MS = 5_000;

export interface RankPoint {
  /** When; of a windowed board the start of the window. */
  readonly atMs: number;
  /** `null` while the player is not on the board. */
  readonly rank: number | null;
}

export type Ranks = readonly RankPoint[];

/** One more look at a rank; looks that say the same are thinned out. */
export function addRank(ranks: Ranks, point: RankPoint): Ranks {
  const last = ranks.at(-1);
  if (last !== undefined && point.atMs <= last.atMs) return ranks;
  const before = ranks.at(-2);
  const goesOn = last?.rank === point.rank && before?.rank === point.rank && last.atMs - before.atMs < SAME_EVERY_MS;
  return [...(goesOn ? ranks.slice(0, -1) : ranks.slice(-(POINTS_MAX - 1))), point];
}

export interface Sparkline {
  /** SVG paths; a gap in the ranks makes another one. */
  readonly paths: readonly string[];
  readonly last: { readonly x: number; readonly y: number } | null;
  readonly best: number;
  readonly worst: number;
}

/** The best rank is at the top. `null` without two ranks to draw a line between. */
export function sparkline(ranks: Ranks, width: number, height: number): Sparkline | null {
  const known = ranks.filter((point): point is { atMs: number; rank: number } => point.rank !== null);
  const first = ranks[0];
  const end = ranks.at(-1);
  if (known.length < 2 || first === undefined || end === undefined) return null;
  const best = Math.min(...known.map(({ rank }) => rank));
  const worst = Math.max(...known.map(({ rank }) => rank));
  const span = Math.max(1, end.atMs - first.atMs);
  // A rank that never changes lies in the middle.
  const spread = worst - best;
  const x = (atMs: number): number => ((atMs - first.atMs) / span) * width;
  const y = (rank: number): number => (spread === 0 ? height / 2 : ((rank - best) / spread) * height);
  const paths: string[] = [];
  let open: string | null = null;
  for (const { atMs, rank } of ranks) {
    if (rank === null) {
      if (open !== null) paths.push(open);
      open = null;
    } else {
      const place = `${round(x(atMs))} ${round(y(rank))}`;
      // Ranks are held until they change: steps, not slopes.
      open = open === null ? `M${place}` : `${open}H${round(x(atMs))}V${round(y(rank))}`;
    }
  }
  if (open !== null) paths.push(open);
  const last = end.rank === null ? null : { x: x(end.atMs), y: y(end.rank) };
  return { paths, last, best, worst };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
