/** Finds tiles by place: the nearest to a point, the next one in a direction. */
import type { CellGeometry } from './geometry';

export interface Found {
  readonly tile: number;
  /** In metres, from the point asked for to the middle of the tile. */
  readonly distance: number;
}

/** A round has a thousand tiles or so: looking at each is far below a frame's time. */
export function nearestTile(
  geometry: CellGeometry,
  tileCells: Uint32Array,
  x: number,
  y: number,
  accept: (tile: number) => boolean,
): Found | null {
  let best = -1;
  let least = Infinity;
  for (let tile = 0; tile < tileCells.length; tile += 1) {
    const cell = tileCells[tile] as number;
    const dx = (geometry.centres[cell * 2] as number) - x;
    const dy = (geometry.centres[cell * 2 + 1] as number) - y;
    const distance = dx * dx + dy * dy;
    if (distance < least && accept(tile)) {
      least = distance;
      best = tile;
    }
  }
  return best < 0 ? null : { tile: best, distance: Math.sqrt(least) };
}

/** The tile that an arrow key leads to: near, and rather straight ahead than aside. */
export function tileTowards(
  geometry: CellGeometry,
  tileCells: Uint32Array,
  from: number,
  dx: number,
  dy: number,
  accept: (tile: number) => boolean,
): number | null {
  const cell = tileCells[from];
  if (cell === undefined) return null;
  const x = geometry.centres[cell * 2] as number;
  const y = geometry.centres[cell * 2 + 1] as number;
  let best: number | null = null;
  let least = Infinity;
  for (let tile = 0; tile < tileCells.length; tile += 1) {
    const other = tileCells[tile] as number;
    const awayX = (geometry.centres[other * 2] as number) - x;
    const awayY = (geometry.centres[other * 2 + 1] as number) - y;
    const ahead = awayX * dx + awayY * dy;
    const aside = Math.abs(awayX * dy - awayY * dx);
    if (ahead <= 0 || aside > ahead || !accept(tile)) continue;
    const cost = ahead + 2 * aside;
    if (cost < least) {
      least = cost;
      best = tile;
    }
  }
  return best;
}
