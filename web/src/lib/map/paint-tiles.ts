/**
 * The round's tiles. Each state has a shape of its own beside its colour:
 * free is a raised, filled hexagon with a mark for its worth; taken is hollow and crossed
 * out; mine is filled and carries a flag; waiting is outlined with a dot.
 *
 * Everything of one look goes into one path: a thousand tiles are a handful of fills.
 */
import type { Camera, Size } from './camera';
import type { CellGeometry } from './geometry';
import type { Palette } from './palette';
import { FREE, MINE, TAKEN, WAITING } from './tile-state';

export interface TileLook {
  readonly cells: Uint32Array;
  readonly states: Uint8Array;
  /** Tier 0..3 by tile. */
  readonly tiers: Uint8Array;
  /** Points by tile where they are known. */
  readonly values: Uint32Array | null;
}

interface PathTarget {
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
  closePath(): void;
}

const MARKS_FROM = 4.2;
const NUMBERS_FROM = 11;

/** Adds the cell's outline, shrunk about its middle by `grow` and shifted down by `drop`. */
export function addCell(
  path: PathTarget,
  geometry: CellGeometry,
  camera: Camera,
  cell: number,
  grow: number,
  drop: number,
): void {
  const { centres, offsets, vertices } = geometry;
  const middleX = (centres[cell * 2] as number) * camera.scale + camera.x;
  const middleY = (centres[cell * 2 + 1] as number) * camera.scale + camera.y + drop;
  const factor = camera.scale * grow;
  const end = offsets[cell + 1] as number;
  for (let point = offsets[cell] as number; point < end; point += 1) {
    const x = middleX + ((vertices[point * 2] as number) - (centres[cell * 2] as number)) * factor;
    const y = middleY + ((vertices[point * 2 + 1] as number) - (centres[cell * 2 + 1] as number)) * factor;
    if (point === offsets[cell]) path.moveTo(x, y);
    else path.lineTo(x, y);
  }
  path.closePath();
}

export function paintTiles(
  context: CanvasRenderingContext2D,
  geometry: CellGeometry,
  camera: Camera,
  size: Size,
  palette: Palette,
  look: TileLook,
  /** 0..1 and a little beyond: how far each tile has come up; `null` for all the way. */
  risen: ((tile: number) => number) | null,
): void {
  const radius = geometry.cellRadius * camera.scale;
  const margin = radius * 2;
  const visible: number[][] = [[], [], [], []];
  for (let tile = 0; tile < look.cells.length; tile += 1) {
    const cell = look.cells[tile] as number;
    const x = (geometry.centres[cell * 2] as number) * camera.scale + camera.x;
    const y = (geometry.centres[cell * 2 + 1] as number) * camera.scale + camera.y;
    if (x < -margin || y < -margin || x > size.width + margin || y > size.height + margin) continue;
    visible[look.states[tile] ?? FREE]?.push(tile);
  }
  const grown = (tile: number, full: number): number => (risen === null ? full : full * risen(tile));
  const outline = (tiles: readonly number[], full: number, drop: number): void => {
    context.beginPath();
    for (const tile of tiles) {
      const grow = grown(tile, full);
      if (grow > 0) addCell(context, geometry, camera, look.cells[tile] as number, grow, drop);
    }
  };
  const centre = (tile: number): readonly [number, number] => {
    const cell = look.cells[tile] as number;
    return [
      (geometry.centres[cell * 2] as number) * camera.scale + camera.x,
      (geometry.centres[cell * 2 + 1] as number) * camera.scale + camera.y,
    ];
  };

  paintTaken(visible[TAKEN] ?? []);
  paintFree(visible[FREE] ?? []);
  paintWaiting(visible[WAITING] ?? []);
  paintMine(visible[MINE] ?? []);

  function paintTaken(tiles: readonly number[]): void {
    outline(tiles, 0.8, 0);
    context.fillStyle = palette.taken;
    context.fill();
    context.strokeStyle = palette.takenMark;
    context.lineWidth = radius < MARKS_FROM ? 0.7 : 1;
    context.stroke();
    if (radius < MARKS_FROM) return;
    const arm = radius * 0.26;
    context.beginPath();
    for (const tile of tiles) {
      const [x, y] = centre(tile);
      const reach = grown(tile, arm);
      context.moveTo(x - reach, y - reach);
      context.lineTo(x + reach, y + reach);
      context.moveTo(x + reach, y - reach);
      context.lineTo(x - reach, y + reach);
    }
    context.lineWidth = Math.max(1, radius * 0.11);
    context.stroke();
  }

  function paintFree(tiles: readonly number[]): void {
    const lift = radius < 3 ? 0 : Math.min(radius * 0.2, 5);
    // Small ones fill their cells, to be seen; large ones leave a gap, to be told apart.
    const snug = radius < 9 ? 1.02 : 0.9;
    const byTier: number[][] = [[], [], [], []];
    for (const tile of tiles) byTier[look.tiers[tile] ?? 0]?.push(tile);
    if (lift > 0) {
      outline(tiles, snug, lift * 0.5);
      context.fillStyle = palette.freeSide;
      context.fill();
    }
    for (const [tier, group] of byTier.entries()) {
      if (tier === 3) paintGlow(group);
      outline(group, tier === 3 ? snug * 1.26 : tier === 2 ? snug * 1.1 : snug, -lift * 0.5);
      context.fillStyle = palette.free[tier] ?? palette.free[0];
      context.fill();
      if (tier > 0 && radius >= MARKS_FROM) paintWorth(group, tier, lift);
    }
  }

  /** Small gradients: a blurred shadow of all at once would blur the whole canvas. */
  function paintGlow(tiles: readonly number[]): void {
    for (const tile of tiles) {
      const [x, y] = centre(tile);
      const reach = grown(tile, Math.max(9, radius * 3.2));
      if (reach <= 0) continue;
      const glow = context.createRadialGradient(x, y, 0, x, y, reach);
      glow.addColorStop(0, palette.glow);
      glow.addColorStop(1, palette.glowEdge);
      context.fillStyle = glow;
      context.fillRect(x - reach, y - reach, reach * 2, reach * 2);
    }
  }

  function paintWorth(tiles: readonly number[], tier: number, lift: number): void {
    context.fillStyle = palette.freeInk;
    context.strokeStyle = palette.freeInk;
    if (radius >= NUMBERS_FROM && look.values !== null) {
      context.font = `700 ${Math.round(radius * 0.78)}px ${palette.font}`;
      context.textAlign = 'center';
      context.textBaseline = 'middle';
      for (const tile of tiles) {
        const [x, y] = centre(tile);
        if (grown(tile, 1) > 0.6) context.fillText(String(look.values[tile]), x, y - lift * 0.4);
      }
      return;
    }
    context.beginPath();
    for (const tile of tiles) {
      const [x, y] = centre(tile);
      const reach = grown(tile, radius);
      if (reach <= 0) continue;
      if (tier === 1) dot(x, y - lift * 0.5, reach * 0.2);
      else if (tier === 2) ring(x, y - lift * 0.5, reach * 0.42, reach * 0.22);
      else star(x, y - lift * 0.5, reach * 0.66);
    }
    context.fill('evenodd');
  }

  function paintWaiting(tiles: readonly number[]): void {
    outline(tiles, 0.86, 0);
    context.fillStyle = palette.cell;
    context.fill();
    context.strokeStyle = palette.mine;
    context.lineWidth = Math.max(1.4, radius * 0.16);
    context.stroke();
    context.beginPath();
    for (const tile of tiles) dot(...centre(tile), radius * 0.26);
    context.fillStyle = palette.mine;
    context.fill();
  }

  function paintMine(tiles: readonly number[]): void {
    // Where there is no room for a flag, size alone must tell it from the others.
    const grow = radius < MARKS_FROM ? 1.8 : 1.3;
    const lift = radius < 3 ? 0 : Math.min(radius * 0.2, 5);
    if (lift > 0) {
      outline(tiles, grow, lift * 0.5);
      context.fillStyle = palette.mineSide;
      context.fill();
    }
    outline(tiles, grow, -lift * 0.5);
    context.fillStyle = palette.mine;
    context.fill();
    context.strokeStyle = palette.mineInk;
    context.lineWidth = radius < MARKS_FROM ? 0.7 : Math.max(1, radius * 0.12);
    context.stroke();
    if (radius < MARKS_FROM) return;
    context.beginPath();
    for (const tile of tiles) flag(...centre(tile), radius * 1.3, lift);
    context.fillStyle = palette.mineInk;
    context.fill();
  }

  function dot(x: number, y: number, reach: number): void {
    context.moveTo(x + reach, y);
    context.arc(x, y, reach, 0, Math.PI * 2);
  }

  function ring(x: number, y: number, outer: number, inner: number): void {
    dot(x, y, outer);
    dot(x, y, inner);
  }

  function star(x: number, y: number, reach: number): void {
    for (let point = 0; point < 10; point += 1) {
      const length = point % 2 === 0 ? reach : reach * 0.42;
      const angle = (point * Math.PI) / 5 - Math.PI / 2;
      const px = x + length * Math.cos(angle);
      const py = y + length * Math.sin(angle);
      if (point === 0) context.moveTo(px, py);
      else context.lineTo(px, py);
    }
    context.closePath();
  }

  function flag(x: number, y: number, reach: number, lift: number): void {
    const pole = Math.max(0.8, reach * 0.1);
    const left = x - reach * 0.28;
    const top = y - lift * 0.5 - reach * 0.48;
    context.rect(left, top, pole, reach * 0.96);
    context.moveTo(left + pole, top);
    context.lineTo(left + pole + reach * 0.56, top + reach * 0.27);
    context.lineTo(left + pole, top + reach * 0.54);
    context.closePath();
  }
}
